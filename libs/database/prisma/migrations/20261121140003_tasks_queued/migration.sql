-- Where the queue has got to (T14).
CREATE INDEX CONCURRENTLY "tasks_queued" ON "tasks" ("virtual_start") WHERE "status" = 'pending' AND "virtual_start" IS NOT NULL;
