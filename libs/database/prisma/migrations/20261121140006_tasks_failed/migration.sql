-- The dead letters, newest first.
CREATE INDEX CONCURRENTLY "tasks_failed" ON "tasks" ("id") WHERE "status" = 'failed';
