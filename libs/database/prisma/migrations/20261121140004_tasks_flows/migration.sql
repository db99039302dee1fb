-- The last place of a user in the queue (T14).
CREATE INDEX CONCURRENTLY "tasks_flow" ON "tasks" ("user_id", ("attempt" > 0), "virtual_start") WHERE "status" = 'pending' AND "virtual_start" IS NOT NULL;
