SET lock_timeout = '3s';

-- CreateEnum
CREATE TYPE "asset_purpose" AS ENUM ('user', 'ops', 'audit');

-- AlterTable
ALTER TABLE "assets" ADD COLUMN     "purpose" "asset_purpose" NOT NULL DEFAULT 'user';

-- CreateTable
CREATE TABLE "asset_reconciliations" (
    "bucket" "asset_bucket" NOT NULL,
    "position" VARCHAR(512) NOT NULL DEFAULT '',
    "leased_until" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "missing" INTEGER NOT NULL DEFAULT 0,
    "missing_before" INTEGER NOT NULL DEFAULT 0,
    "rounds" INTEGER NOT NULL DEFAULT 0,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "asset_reconciliations_pkey" PRIMARY KEY ("bucket")
);

-- CreateTable
CREATE TABLE "aws_media_assets" (
    "id" UUID NOT NULL,
    "content_id" UUID NOT NULL,
    "s3_bucket" VARCHAR(255) NOT NULL,
    "s3_key" VARCHAR(500) NOT NULL,
    "cloudfront_url" VARCHAR(500),
    "media_live_channel_id" VARCHAR(255),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "aws_media_assets_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "aws_media_assets_s3_bucket_s3_key_key" ON "aws_media_assets"("s3_bucket", "s3_key");

-- CreateIndex
CREATE INDEX "aws_media_assets_content_id_idx" ON "aws_media_assets"("content_id");

-- AddForeignKey
ALTER TABLE "aws_media_assets" ADD CONSTRAINT "aws_media_assets_content_id_fkey" FOREIGN KEY ("content_id") REFERENCES "assets"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- A signed address is never at rest: it would outlive its end (TR3).
ALTER TABLE "aws_media_assets" ADD CONSTRAINT "aws_media_assets_unsigned" CHECK ("cloudfront_url" ~ '^/[A-Za-z0-9/_.-]+$');
INSERT INTO "asset_reconciliations" ("bucket") VALUES ('private'), ('public'), ('admin');
