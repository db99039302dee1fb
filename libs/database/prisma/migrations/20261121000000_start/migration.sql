-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateEnum
CREATE TYPE "asset_visibility" AS ENUM ('private', 'public', 'admin-private');

-- CreateEnum
CREATE TYPE "asset_bucket" AS ENUM ('private', 'public', 'admin');

-- CreateEnum
CREATE TYPE "asset_move_state" AS ENUM ('copying', 'switched', 'done');

-- CreateEnum
CREATE TYPE "upload_state" AS ENUM ('pending', 'completed', 'expired');

-- CreateEnum
CREATE TYPE "user_role" AS ENUM ('user', 'admin', 'super_admin');

-- CreateEnum
CREATE TYPE "credit_transaction_type" AS ENUM ('purchase', 'spend', 'refund', 'bonus', 'admin_adjust', 'reservation', 'release');

-- CreateEnum
CREATE TYPE "credit_reservation_state" AS ENUM ('open', 'confirmed', 'released');

-- CreateEnum
CREATE TYPE "task_status" AS ENUM ('pending', 'processing', 'completed', 'failed', 'canceled');

-- CreateEnum
CREATE TYPE "provider_call_state" AS ENUM ('submitting', 'submitted', 'succeeded', 'failed');

-- CreateEnum
CREATE TYPE "provider_type" AS ENUM ('openai', 'replicate', 'fal', 'tripo', 'google');

-- CreateTable
CREATE TABLE "assets" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "module" VARCHAR(64) NOT NULL,
    "bucket" "asset_bucket" NOT NULL,
    "storage_key" VARCHAR(512) NOT NULL,
    "visibility" "asset_visibility" NOT NULL DEFAULT 'private',
    "filename" VARCHAR(200),
    "mime_type" VARCHAR(127) NOT NULL,
    "size" BIGINT NOT NULL,
    "sha256" CHAR(64) NOT NULL,
    "width" INTEGER,
    "height" INTEGER,
    "thumbhash" VARCHAR(64),
    "thumbnail_key" VARCHAR(512),
    "tags" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "metadata" JSONB NOT NULL DEFAULT '{}',
    "parent_asset_id" UUID,
    "task_id" UUID,
    "task_output" SMALLINT,
    "post_id" UUID,
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "published_at" TIMESTAMPTZ(3),
    "deleted_at" TIMESTAMPTZ(3),

    CONSTRAINT "assets_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "asset_events" (
    "id" UUID NOT NULL,
    "asset_id" UUID NOT NULL,
    "type" VARCHAR(32) NOT NULL,
    "actor_id" UUID,
    "detail" JSONB NOT NULL DEFAULT '{}',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "asset_events_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "asset_moves" (
    "id" UUID NOT NULL,
    "asset_id" UUID NOT NULL,
    "from_bucket" "asset_bucket" NOT NULL,
    "from_key" VARCHAR(512) NOT NULL,
    "to_bucket" "asset_bucket",
    "to_key" VARCHAR(512),
    "state" "asset_move_state" NOT NULL DEFAULT 'copying',
    "delete_source_after" TIMESTAMPTZ(3),
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "next_attempt_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_error" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "asset_moves_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "uploads" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "module" VARCHAR(64) NOT NULL,
    "filename" VARCHAR(200) NOT NULL,
    "mime_type" VARCHAR(127) NOT NULL,
    "size" BIGINT NOT NULL,
    "sha256" CHAR(64),
    "quarantine_key" VARCHAR(512) NOT NULL,
    "state" "upload_state" NOT NULL DEFAULT 'pending',
    "asset_id" UUID,
    "idempotency_key" VARCHAR(255),
    "request_hash" CHAR(64),
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "uploads_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "users" (
    "id" UUID NOT NULL,
    "email" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "image" TEXT,
    "role" "user_role" NOT NULL DEFAULT 'user',
    "email_verified" BOOLEAN NOT NULL DEFAULT false,
    "session_epoch" INTEGER NOT NULL DEFAULT 0,
    "suspended_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "users_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "sessions" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "token" CHAR(64) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "absolute_expires_at" TIMESTAMPTZ(3) NOT NULL,
    "ip_address" TEXT,
    "user_agent" VARCHAR(512),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "sessions_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "accounts" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "provider_id" TEXT NOT NULL,
    "account_id" TEXT NOT NULL,
    "password_hash" TEXT,
    "access_token" TEXT,
    "refresh_token" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "accounts_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "verifications" (
    "id" UUID NOT NULL,
    "identifier" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "verifications_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "credits" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "balance" BIGINT NOT NULL DEFAULT 0,
    "reserved_balance" BIGINT NOT NULL DEFAULT 0,
    "lifetime_earned" BIGINT NOT NULL DEFAULT 0,
    "lifetime_spent" BIGINT NOT NULL DEFAULT 0,
    "lifetime_purchased" BIGINT NOT NULL DEFAULT 0,
    "entry_seq" BIGINT NOT NULL DEFAULT 0,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "credits_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "credit_transactions" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "seq" BIGINT NOT NULL,
    "type" "credit_transaction_type" NOT NULL,
    "amount" BIGINT NOT NULL,
    "available_delta" BIGINT NOT NULL,
    "reserved_delta" BIGINT NOT NULL,
    "balance_after" BIGINT NOT NULL,
    "reserved_after" BIGINT NOT NULL,
    "reference_id" VARCHAR(255),
    "reservation_id" UUID,
    "actor_id" UUID,
    "description" VARCHAR(500),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "credit_transactions_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "credit_reservations" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "reference_id" VARCHAR(255) NOT NULL,
    "amount" BIGINT NOT NULL,
    "spent_amount" BIGINT,
    "state" "credit_reservation_state" NOT NULL DEFAULT 'open',
    "deadline_at" TIMESTAMPTZ(3) NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "settled_at" TIMESTAMPTZ(3),

    CONSTRAINT "credit_reservations_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "credit_packages" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "credits" INTEGER NOT NULL,
    "price" INTEGER NOT NULL,
    "currency" CHAR(3) NOT NULL DEFAULT 'usd',
    "stripe_price_id" TEXT,
    "is_active" BOOLEAN NOT NULL DEFAULT true,
    "sort_order" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "credit_packages_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "rate_limit_settings" (
    "id" UUID NOT NULL,
    "tiers" JSONB NOT NULL,
    "limits" JSONB NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "rate_limit_settings_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "tasks" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "tool_id" UUID NOT NULL,
    "tool_slug" TEXT NOT NULL,
    "tool_version" INTEGER NOT NULL,
    "step" JSONB NOT NULL,
    "current_step_id" TEXT NOT NULL,
    "parent_task_id" UUID,
    "reservation_id" UUID NOT NULL,
    "status" "task_status" NOT NULL DEFAULT 'pending',
    "credits_cost" INTEGER NOT NULL,
    "progress" SMALLINT NOT NULL DEFAULT 0,
    "attempt" INTEGER NOT NULL DEFAULT 0,
    "retries" INTEGER NOT NULL DEFAULT 0,
    "rescues" INTEGER NOT NULL DEFAULT 0,
    "lease_until" TIMESTAMPTZ(3),
    "deadline_at" TIMESTAMPTZ(3) NOT NULL,
    "dispatched_at" TIMESTAMPTZ(3),
    "idempotency_key" VARCHAR(255),
    "request_hash" CHAR(64),
    "request_id" VARCHAR(64) NOT NULL,
    "error_code" TEXT,
    "error_message" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "started_at" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "tasks_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "task_payloads" (
    "id" UUID NOT NULL,
    "task_id" UUID NOT NULL,
    "input" JSONB NOT NULL,
    "output" JSONB,
    "error" TEXT,
    "provider_request" JSONB,
    "provider_response" JSONB,
    "provider_meta" JSONB,

    CONSTRAINT "task_payloads_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "task_steps" (
    "id" UUID NOT NULL,
    "task_id" UUID NOT NULL,
    "step_id" TEXT NOT NULL,
    "status" "task_status" NOT NULL,
    "state" JSONB NOT NULL DEFAULT '{}',
    "started_at" TIMESTAMPTZ(3),
    "completed_at" TIMESTAMPTZ(3),

    CONSTRAINT "task_steps_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "provider_calls" (
    "id" UUID NOT NULL,
    "task_id" UUID NOT NULL,
    "step_id" TEXT NOT NULL,
    "attempt" INTEGER NOT NULL,
    "provider" "provider_type" NOT NULL,
    "model" TEXT NOT NULL,
    "state" "provider_call_state" NOT NULL DEFAULT 'submitting',
    "provider_request_id" TEXT,
    "handle" JSONB,
    "error_kind" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "provider_calls_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "outbox" (
    "id" BIGSERIAL NOT NULL,
    "topic" TEXT NOT NULL,
    "key" UUID NOT NULL,
    "payload" JSONB NOT NULL,
    "available_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "sent_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "outbox_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "task_transitions" (
    "from_status" "task_status" NOT NULL,
    "to_status" "task_status" NOT NULL,

    CONSTRAINT "task_transitions_pkey" PRIMARY KEY ("from_status","to_status")
);

-- CreateTable
CREATE TABLE "tool_types" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "display_name" TEXT NOT NULL,
    "icon" TEXT,
    "color" TEXT,
    "description" TEXT,

    CONSTRAINT "tool_types_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "tools" (
    "id" UUID NOT NULL,
    "slug" TEXT NOT NULL,
    "title" TEXT NOT NULL,
    "description" TEXT,
    "tool_type_id" UUID NOT NULL,
    "config" JSONB NOT NULL,
    "credits_cost" INTEGER NOT NULL,
    "is_active" BOOLEAN NOT NULL DEFAULT true,
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "tools_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "providers" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "type" "provider_type" NOT NULL,
    "api_key" TEXT,
    "base_url" TEXT,
    "is_healthy" BOOLEAN NOT NULL DEFAULT true,
    "health_checked_at" TIMESTAMPTZ(3),
    "config" JSONB NOT NULL DEFAULT '{}',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "providers_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "admin_providers" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "type" "provider_type" NOT NULL,
    "api_key" TEXT,
    "base_url" TEXT,
    "config" JSONB NOT NULL DEFAULT '{}',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "admin_providers_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "assets_user_id_id_idx" ON "assets"("user_id", "id");

-- CreateIndex
CREATE INDEX "assets_user_id_module_id_idx" ON "assets"("user_id", "module", "id");

-- CreateIndex
CREATE INDEX "assets_parent_asset_id_idx" ON "assets"("parent_asset_id");

-- CreateIndex
CREATE INDEX "assets_tags_idx" ON "assets" USING GIN ("tags");

-- CreateIndex
CREATE UNIQUE INDEX "assets_bucket_storage_key_key" ON "assets"("bucket", "storage_key");

-- CreateIndex
CREATE UNIQUE INDEX "assets_task_id_task_output_key" ON "assets"("task_id", "task_output");

-- CreateIndex
CREATE INDEX "asset_events_asset_id_id_idx" ON "asset_events"("asset_id", "id");

-- CreateIndex
CREATE INDEX "asset_moves_asset_id_idx" ON "asset_moves"("asset_id");

-- CreateIndex
CREATE UNIQUE INDEX "uploads_quarantine_key_key" ON "uploads"("quarantine_key");

-- CreateIndex
CREATE UNIQUE INDEX "uploads_asset_id_key" ON "uploads"("asset_id");

-- CreateIndex
CREATE INDEX "uploads_state_expires_at_idx" ON "uploads"("state", "expires_at");

-- CreateIndex
CREATE UNIQUE INDEX "uploads_user_id_idempotency_key_key" ON "uploads"("user_id", "idempotency_key");

-- CreateIndex
CREATE UNIQUE INDEX "users_email_key" ON "users"("email");

-- CreateIndex
CREATE INDEX "users_created_at_id_idx" ON "users"("created_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "sessions_token_key" ON "sessions"("token");

-- CreateIndex
CREATE INDEX "sessions_user_id_idx" ON "sessions"("user_id");

-- CreateIndex
CREATE INDEX "sessions_expires_at_idx" ON "sessions"("expires_at");

-- CreateIndex
CREATE INDEX "accounts_user_id_idx" ON "accounts"("user_id");

-- CreateIndex
CREATE UNIQUE INDEX "accounts_provider_id_account_id_key" ON "accounts"("provider_id", "account_id");

-- CreateIndex
CREATE INDEX "verifications_identifier_idx" ON "verifications"("identifier");

-- CreateIndex
CREATE INDEX "verifications_expires_at_idx" ON "verifications"("expires_at");

-- CreateIndex
CREATE UNIQUE INDEX "credits_user_id_key" ON "credits"("user_id");

-- CreateIndex
CREATE INDEX "credit_transactions_user_id_id_idx" ON "credit_transactions"("user_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "credit_transactions_user_id_seq_key" ON "credit_transactions"("user_id", "seq");

-- CreateIndex
CREATE UNIQUE INDEX "credit_transactions_type_reference_id_key" ON "credit_transactions"("type", "reference_id");

-- CreateIndex
CREATE UNIQUE INDEX "credit_reservations_reference_id_key" ON "credit_reservations"("reference_id");

-- CreateIndex
CREATE INDEX "credit_reservations_user_id_idx" ON "credit_reservations"("user_id");

-- CreateIndex
CREATE UNIQUE INDEX "credit_packages_name_key" ON "credit_packages"("name");

-- CreateIndex
CREATE UNIQUE INDEX "credit_packages_stripe_price_id_key" ON "credit_packages"("stripe_price_id");

-- CreateIndex
CREATE UNIQUE INDEX "tasks_reservation_id_key" ON "tasks"("reservation_id");

-- CreateIndex
CREATE INDEX "tasks_user_id_id_idx" ON "tasks"("user_id", "id");

-- CreateIndex
CREATE INDEX "tasks_user_id_status_id_idx" ON "tasks"("user_id", "status", "id");

-- CreateIndex
CREATE INDEX "tasks_parent_task_id_idx" ON "tasks"("parent_task_id");

-- CreateIndex
CREATE UNIQUE INDEX "tasks_user_id_idempotency_key_key" ON "tasks"("user_id", "idempotency_key");

-- CreateIndex
CREATE UNIQUE INDEX "task_payloads_task_id_key" ON "task_payloads"("task_id");

-- CreateIndex
CREATE UNIQUE INDEX "task_steps_task_id_step_id_key" ON "task_steps"("task_id", "step_id");

-- CreateIndex
CREATE INDEX "provider_calls_provider_provider_request_id_idx" ON "provider_calls"("provider", "provider_request_id");

-- CreateIndex
CREATE UNIQUE INDEX "provider_calls_task_id_step_id_attempt_key" ON "provider_calls"("task_id", "step_id", "attempt");

-- CreateIndex
CREATE UNIQUE INDEX "tool_types_name_key" ON "tool_types"("name");

-- CreateIndex
CREATE UNIQUE INDEX "tools_slug_key" ON "tools"("slug");

-- CreateIndex
CREATE INDEX "tools_tool_type_id_idx" ON "tools"("tool_type_id");

-- CreateIndex
CREATE UNIQUE INDEX "providers_name_key" ON "providers"("name");

-- CreateIndex
CREATE UNIQUE INDEX "admin_providers_name_key" ON "admin_providers"("name");

-- AddForeignKey
ALTER TABLE "assets" ADD CONSTRAINT "assets_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "assets" ADD CONSTRAINT "assets_task_id_fkey" FOREIGN KEY ("task_id") REFERENCES "tasks"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "assets" ADD CONSTRAINT "assets_parent_asset_id_fkey" FOREIGN KEY ("parent_asset_id") REFERENCES "assets"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "asset_events" ADD CONSTRAINT "asset_events_asset_id_fkey" FOREIGN KEY ("asset_id") REFERENCES "assets"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "asset_moves" ADD CONSTRAINT "asset_moves_asset_id_fkey" FOREIGN KEY ("asset_id") REFERENCES "assets"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "uploads" ADD CONSTRAINT "uploads_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "uploads" ADD CONSTRAINT "uploads_asset_id_fkey" FOREIGN KEY ("asset_id") REFERENCES "assets"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "accounts" ADD CONSTRAINT "accounts_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "credits" ADD CONSTRAINT "credits_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "credit_transactions" ADD CONSTRAINT "credit_transactions_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "credit_transactions" ADD CONSTRAINT "credit_transactions_reservation_id_fkey" FOREIGN KEY ("reservation_id") REFERENCES "credit_reservations"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "credit_reservations" ADD CONSTRAINT "credit_reservations_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "tasks" ADD CONSTRAINT "tasks_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "tasks" ADD CONSTRAINT "tasks_tool_id_fkey" FOREIGN KEY ("tool_id") REFERENCES "tools"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "tasks" ADD CONSTRAINT "tasks_parent_task_id_fkey" FOREIGN KEY ("parent_task_id") REFERENCES "tasks"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "tasks" ADD CONSTRAINT "tasks_reservation_id_fkey" FOREIGN KEY ("reservation_id") REFERENCES "credit_reservations"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "task_payloads" ADD CONSTRAINT "task_payloads_task_id_fkey" FOREIGN KEY ("task_id") REFERENCES "tasks"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "task_steps" ADD CONSTRAINT "task_steps_task_id_fkey" FOREIGN KEY ("task_id") REFERENCES "tasks"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "provider_calls" ADD CONSTRAINT "provider_calls_task_id_fkey" FOREIGN KEY ("task_id") REFERENCES "tasks"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "tools" ADD CONSTRAINT "tools_tool_type_id_fkey" FOREIGN KEY ("tool_type_id") REFERENCES "tool_types"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What Prisma's language cannot say.

-- Sign-up stores the canonical form; a second spelling of one address cannot get in.
ALTER TABLE "users" ADD CONSTRAINT "users_email_canonical" CHECK ("email" = lower("email") AND "email" = btrim("email"));
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_token_is_hash" CHECK ("token" ~ '^[0-9a-f]{64}$');
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_expiry_order" CHECK ("expires_at" <= "absolute_expires_at");
ALTER TABLE "accounts" ADD CONSTRAINT "accounts_credential_has_password" CHECK ("provider_id" <> 'credential' OR "password_hash" IS NOT NULL);

ALTER TABLE "tools" ADD CONSTRAINT "tools_slug_form" CHECK ("slug" ~ '^[a-z0-9][a-z0-9-]{0,63}$');
ALTER TABLE "tools" ADD CONSTRAINT "tools_cost_range" CHECK ("credits_cost" BETWEEN 1 AND 1000000);
ALTER TABLE "tool_types" ADD CONSTRAINT "tool_types_name_form" CHECK ("name" ~ '^[a-z0-9][a-z0-9-]{0,63}$');

-- Money. Balances cannot go below zero (M2), and one reservation settles at most once (M5).
ALTER TABLE "credits" ADD CONSTRAINT "credits_not_negative" CHECK ("balance" >= 0 AND "reserved_balance" >= 0);
ALTER TABLE "credits" ADD CONSTRAINT "credits_lifetime_not_negative" CHECK ("lifetime_earned" >= 0 AND "lifetime_spent" >= 0 AND "lifetime_purchased" >= 0);
ALTER TABLE "credit_transactions" ADD CONSTRAINT "credit_transactions_after_not_negative" CHECK ("balance_after" >= 0 AND "reserved_after" >= 0);
ALTER TABLE "credit_transactions" ADD CONSTRAINT "credit_transactions_seq_positive" CHECK ("seq" >= 1);
-- The two deltas and the shown amount, by type (reliability, money table).
ALTER TABLE "credit_transactions" ADD CONSTRAINT "credit_transactions_deltas" CHECK (
  CASE "type"
    WHEN 'reservation' THEN "available_delta" < 0 AND "reserved_delta" = -"available_delta" AND "amount" = "available_delta"
    WHEN 'release' THEN "available_delta" > 0 AND "reserved_delta" = -"available_delta" AND "amount" = "available_delta"
    WHEN 'spend' THEN "reserved_delta" < 0 AND "available_delta" BETWEEN 0 AND -"reserved_delta" AND "amount" = "available_delta" + "reserved_delta"
    WHEN 'admin_adjust' THEN "available_delta" <> 0 AND "reserved_delta" = 0 AND "amount" = "available_delta"
    ELSE "available_delta" > 0 AND "reserved_delta" = 0 AND "amount" = "available_delta"
  END
);
ALTER TABLE "credit_transactions" ADD CONSTRAINT "credit_transactions_reservation_named" CHECK (
  ("type" IN ('reservation', 'release', 'spend')) = ("reservation_id" IS NOT NULL)
);
CREATE UNIQUE INDEX "credit_transactions_one_reservation" ON "credit_transactions" ("reservation_id") WHERE "type" = 'reservation';
CREATE UNIQUE INDEX "credit_transactions_one_settlement" ON "credit_transactions" ("reservation_id") WHERE "type" IN ('spend', 'release');
ALTER TABLE "credit_reservations" ADD CONSTRAINT "credit_reservations_amount_range" CHECK ("amount" BETWEEN 1 AND 1000000);
ALTER TABLE "credit_reservations" ADD CONSTRAINT "credit_reservations_settlement" CHECK (
  CASE "state"
    WHEN 'open' THEN "settled_at" IS NULL AND "spent_amount" IS NULL
    WHEN 'confirmed' THEN "settled_at" IS NOT NULL AND "spent_amount" BETWEEN 0 AND "amount"
    ELSE "settled_at" IS NOT NULL AND "spent_amount" = 0
  END
);
CREATE INDEX "credit_reservations_open" ON "credit_reservations" ("deadline_at") WHERE "state" = 'open';
ALTER TABLE "credit_packages" ADD CONSTRAINT "credit_packages_range" CHECK ("credits" BETWEEN 1 AND 1000000 AND "price" >= 1);

-- Tasks.
ALTER TABLE "tasks" ADD CONSTRAINT "tasks_cost_range" CHECK ("credits_cost" BETWEEN 1 AND 1000000);
ALTER TABLE "tasks" ADD CONSTRAINT "tasks_progress_range" CHECK ("progress" BETWEEN 0 AND 100);
ALTER TABLE "tasks" ADD CONSTRAINT "tasks_finished_iff_terminal" CHECK (("status" IN ('completed', 'failed', 'canceled')) = ("finished_at" IS NOT NULL));
ALTER TABLE "tasks" ADD CONSTRAINT "tasks_lease_iff_processing" CHECK (("status" = 'processing') = ("lease_until" IS NOT NULL));
ALTER TABLE "tasks" ADD CONSTRAINT "tasks_error_iff_failed" CHECK (("status" = 'failed') = ("error_code" IS NOT NULL));
ALTER TABLE "tasks" ADD CONSTRAINT "tasks_key_with_hash" CHECK (("idempotency_key" IS NULL) = ("request_hash" IS NULL));
CREATE INDEX "tasks_open_deadline" ON "tasks" ("deadline_at") WHERE "status" IN ('pending', 'processing');
CREATE INDEX "tasks_processing_lease" ON "tasks" ("lease_until") WHERE "status" = 'processing';
CREATE INDEX "tasks_pending_dispatch" ON "tasks" ("dispatched_at") WHERE "status" = 'pending';
CREATE INDEX "outbox_unsent" ON "outbox" ("available_at", "id") WHERE "sent_at" IS NULL;
CREATE INDEX "outbox_sent" ON "outbox" ("sent_at") WHERE "sent_at" IS NOT NULL;

-- Assets.
ALTER TABLE "assets" ADD CONSTRAINT "assets_size_positive" CHECK ("size" >= 1);
ALTER TABLE "assets" ADD CONSTRAINT "assets_sha256_form" CHECK ("sha256" ~ '^[0-9a-f]{64}$');
ALTER TABLE "assets" ADD CONSTRAINT "assets_key_alphabet" CHECK ("storage_key" ~ '^[A-Za-z0-9/_.-]+$' AND "storage_key" !~ '(^|/)\.\.?(/|$)' AND "storage_key" !~ '//');
-- The owner's id is part of the key of everything a user owns (A5, S4).
ALTER TABLE "assets" ADD CONSTRAINT "assets_key_in_bucket" CHECK (
  CASE "bucket"
    WHEN 'private' THEN "storage_key" LIKE 'private/' || "user_id" || '/%'
    WHEN 'public' THEN "storage_key" LIKE 'public/ops/%' OR "storage_key" LIKE 'public/shared/' || "user_id" || '/%'
    ELSE "storage_key" LIKE 'internal/admin/%'
  END
);
ALTER TABLE "assets" ADD CONSTRAINT "assets_admin_stays_admin" CHECK (("visibility" = 'admin-private') = ("bucket" = 'admin'));
ALTER TABLE "assets" ADD CONSTRAINT "assets_published_iff_public" CHECK (("visibility" = 'public') = ("published_at" IS NOT NULL));
ALTER TABLE "assets" ADD CONSTRAINT "assets_task_output" CHECK (("task_id" IS NULL) = ("task_output" IS NULL));
CREATE INDEX "assets_shared" ON "assets" ("published_at" DESC, "id" DESC) WHERE "visibility" = 'public' AND "deleted_at" IS NULL;
CREATE INDEX "assets_gallery" ON "assets" ("user_id", "id" DESC) WHERE "deleted_at" IS NULL;
CREATE UNIQUE INDEX "asset_moves_one_open" ON "asset_moves" ("asset_id") WHERE "state" = 'copying';
CREATE INDEX "asset_moves_due" ON "asset_moves" ("next_attempt_at") WHERE "state" <> 'done';
ALTER TABLE "asset_moves" ADD CONSTRAINT "asset_moves_target" CHECK (("to_bucket" IS NULL) = ("to_key" IS NULL));
ALTER TABLE "uploads" ADD CONSTRAINT "uploads_size_positive" CHECK ("size" >= 1);
ALTER TABLE "uploads" ADD CONSTRAINT "uploads_completed_has_asset" CHECK (("state" = 'completed') = ("asset_id" IS NOT NULL));
ALTER TABLE "uploads" ADD CONSTRAINT "uploads_key_with_hash" CHECK (("idempotency_key" IS NULL) = ("request_hash" IS NULL));

-- Rows that are history and stay as they were written (M4).
CREATE FUNCTION "refuse_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER "credit_transactions_append_only" BEFORE UPDATE OR DELETE ON "credit_transactions" FOR EACH ROW EXECUTE FUNCTION "refuse_change"();
CREATE TRIGGER "credit_transactions_no_truncate" BEFORE TRUNCATE ON "credit_transactions" FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"();
CREATE TRIGGER "asset_events_append_only" BEFORE UPDATE OR DELETE ON "asset_events" FOR EACH ROW EXECUTE FUNCTION "refuse_change"();
CREATE TRIGGER "asset_events_no_truncate" BEFORE TRUNCATE ON "asset_events" FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"();

-- A reservation settles once and then rests.
CREATE FUNCTION "guard_reservation"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD."state" <> 'open' THEN
    RAISE EXCEPTION 'reservation % is already %', OLD."id", OLD."state" USING ERRCODE = 'check_violation';
  END IF;
  IF (NEW."user_id", NEW."reference_id", NEW."amount") IS DISTINCT FROM (OLD."user_id", OLD."reference_id", OLD."amount") THEN
    RAISE EXCEPTION 'reservation % may only be settled', OLD."id" USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER "credit_reservations_guard" BEFORE UPDATE ON "credit_reservations" FOR EACH ROW EXECUTE FUNCTION "guard_reservation"();

-- The task state machine (T1); libs/task/src/task-state.ts holds the same table and a test compares them.
INSERT INTO "task_transitions" VALUES
  ('pending', 'processing'), ('pending', 'failed'), ('pending', 'canceled'),
  ('processing', 'completed'), ('processing', 'failed'), ('processing', 'canceled'), ('processing', 'pending');
CREATE FUNCTION "guard_task_transition"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM "task_transitions" WHERE "from_status" = OLD."status" AND "to_status" = NEW."status") THEN
    RAISE EXCEPTION 'task % cannot go from % to %', OLD."id", OLD."status", NEW."status" USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER "tasks_guard_transition" BEFORE UPDATE OF "status" ON "tasks" FOR EACH ROW WHEN (OLD."status" IS DISTINCT FROM NEW."status") EXECUTE FUNCTION "guard_task_transition"();
