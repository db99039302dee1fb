CREATE INDEX CONCURRENTLY "assets_derivatives_due" ON "assets" ("derivatives_due_at") WHERE "derivatives_due_at" IS NOT NULL;
