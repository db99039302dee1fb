-- A dead letter is repeated once.
CREATE UNIQUE INDEX CONCURRENTLY "tasks_retried_once" ON "tasks" ("retried_task_id") WHERE "retried_task_id" IS NOT NULL;
