CREATE INDEX CONCURRENTLY "assets_shared_by_user" ON "assets" ("user_id", "published_at" DESC, "id" DESC) WHERE "visibility" = 'public' AND "deleted_at" IS NULL;
