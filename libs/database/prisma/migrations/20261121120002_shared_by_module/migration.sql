CREATE INDEX CONCURRENTLY "assets_shared_by_module" ON "assets" ("module", "published_at" DESC, "id" DESC) WHERE "visibility" = 'public' AND "deleted_at" IS NULL;
