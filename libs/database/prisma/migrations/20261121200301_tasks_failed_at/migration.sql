-- Dead letters of the last hour, for the metrics.
CREATE INDEX CONCURRENTLY "tasks_failed_at" ON "tasks" ("finished_at") WHERE "status" = 'failed';
