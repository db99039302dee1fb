-- The tasks that wait for a parent (T8).
CREATE INDEX CONCURRENTLY "tasks_waiting" ON "tasks" ("parent_task_id") WHERE "status" = 'pending' AND "waits_for_parent";
