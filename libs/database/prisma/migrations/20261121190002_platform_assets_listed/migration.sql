CREATE INDEX CONCURRENTLY "assets_platform" ON "assets" ("purpose", "id") WHERE "purpose" <> 'user' AND "deleted_at" IS NULL;
