SET lock_timeout = '3s';

-- CreateTable
CREATE TABLE "share_links" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "token_hash" CHAR(64) NOT NULL,
    "title" VARCHAR(200),
    "password_hash" VARCHAR(255),
    "allow_download" BOOLEAN NOT NULL DEFAULT false,
    "show_prompt" BOOLEAN NOT NULL DEFAULT false,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "revoked_at" TIMESTAMPTZ(3),
    "views" BIGINT NOT NULL DEFAULT 0,
    "downloads" BIGINT NOT NULL DEFAULT 0,
    "last_opened_at" TIMESTAMPTZ(3),
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "attempts_since" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "idempotency_key" VARCHAR(255),
    "request_hash" CHAR(64),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "share_links_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "share_link_assets" (
    "link_id" UUID NOT NULL,
    "asset_id" UUID NOT NULL,
    "position" SMALLINT NOT NULL,

    CONSTRAINT "share_link_assets_pkey" PRIMARY KEY ("link_id","asset_id")
);

-- CreateIndex
CREATE UNIQUE INDEX "share_links_token_hash_key" ON "share_links"("token_hash");

-- CreateIndex
CREATE INDEX "share_links_user_id_id_idx" ON "share_links"("user_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "share_links_user_id_idempotency_key_key" ON "share_links"("user_id", "idempotency_key");

-- CreateIndex
CREATE INDEX "share_link_assets_asset_id_idx" ON "share_link_assets"("asset_id");

-- AddForeignKey
ALTER TABLE "share_links" ADD CONSTRAINT "share_links_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "share_link_assets" ADD CONSTRAINT "share_link_assets_link_id_fkey" FOREIGN KEY ("link_id") REFERENCES "share_links"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "share_link_assets" ADD CONSTRAINT "share_link_assets_asset_id_fkey" FOREIGN KEY ("asset_id") REFERENCES "assets"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

ALTER TABLE "share_links" ADD CONSTRAINT "share_links_counters" CHECK ("views" >= 0 AND "downloads" >= 0 AND "attempts" >= 0);
