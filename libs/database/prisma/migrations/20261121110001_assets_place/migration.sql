CREATE INDEX CONCURRENTLY "assets_place" ON "assets" ("bucket", "storage_key" COLLATE "C") WHERE "deleted_at" IS NULL;
