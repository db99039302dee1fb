SET lock_timeout = '3s';

-- CreateTable
CREATE TABLE "posts" (
    "id" UUID NOT NULL,
    "asset_id" UUID NOT NULL,
    "caption" VARCHAR(500),
    "show_prompt" BOOLEAN NOT NULL DEFAULT false,
    "prompt" TEXT,
    "allow_remix" BOOLEAN NOT NULL DEFAULT false,
    "tool_slug" VARCHAR(64),
    "step_id" VARCHAR(64),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "posts_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "cdn_invalidations" (
    "id" UUID NOT NULL,
    "paths" TEXT[],
    "accepted_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "cdn_invalidations_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "asset_revocations" (
    "id" UUID NOT NULL,
    "asset_id" UUID NOT NULL,
    "keys" TEXT[],
    "requested_at" TIMESTAMPTZ(3) NOT NULL,
    "invalidation_id" UUID,
    "refused_at" TIMESTAMPTZ(3),
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "next_attempt_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_error" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "asset_revocations_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "posts_asset_id_idx" ON "posts"("asset_id");

-- CreateIndex
CREATE INDEX "asset_revocations_asset_id_idx" ON "asset_revocations"("asset_id");

-- CreateIndex
CREATE INDEX "asset_revocations_invalidation_id_idx" ON "asset_revocations"("invalidation_id");

-- AddForeignKey
ALTER TABLE "posts" ADD CONSTRAINT "posts_asset_id_fkey" FOREIGN KEY ("asset_id") REFERENCES "assets"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "asset_revocations" ADD CONSTRAINT "asset_revocations_asset_id_fkey" FOREIGN KEY ("asset_id") REFERENCES "assets"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "asset_revocations" ADD CONSTRAINT "asset_revocations_invalidation_id_fkey" FOREIGN KEY ("invalidation_id") REFERENCES "cdn_invalidations"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What is not to be shown is not kept.
ALTER TABLE "posts" ADD CONSTRAINT "posts_prompt_shown" CHECK ("prompt" IS NULL OR "show_prompt");
ALTER TABLE "cdn_invalidations" ADD CONSTRAINT "cdn_invalidations_paths" CHECK (coalesce(cardinality("paths"), 0) BETWEEN 1 AND 3000);
ALTER TABLE "asset_revocations" ADD CONSTRAINT "asset_revocations_keys" CHECK (coalesce(cardinality("keys"), 0) >= 1);
CREATE INDEX "asset_revocations_due" ON "asset_revocations" ("next_attempt_at") WHERE "refused_at" IS NULL;
