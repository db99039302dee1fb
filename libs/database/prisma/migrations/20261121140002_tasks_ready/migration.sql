-- How many tasks could run, and since when the oldest could.
CREATE INDEX CONCURRENTLY "tasks_ready" ON "tasks" ("ready_at") WHERE "status" = 'pending' AND NOT "waits_for_parent";
