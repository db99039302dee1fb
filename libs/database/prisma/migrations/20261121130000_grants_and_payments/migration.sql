-- Credits that expire, purchases and their events, adjustments that wait for a second operator.
SET lock_timeout = '3s';

-- AlterTable
ALTER TABLE "credits" ADD COLUMN     "granted_balance" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "debt" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "low_notice" INTEGER;

-- AlterTable
ALTER TABLE "credit_reservations" ADD COLUMN     "granted_amount" BIGINT NOT NULL DEFAULT 0;

-- CreateEnum
CREATE TYPE "credit_grant_kind" AS ENUM ('promotion', 'compensation', 'quota');

-- CreateEnum
CREATE TYPE "credit_adjustment_state" AS ENUM ('pending', 'approved', 'rejected');

-- CreateEnum
CREATE TYPE "payment_state" AS ENUM ('created', 'open', 'paid', 'expired', 'failed');

-- CreateEnum
CREATE TYPE "payment_event_state" AS ENUM ('received', 'applied', 'ignored', 'waiting', 'failed');

-- CreateTable
CREATE TABLE "credit_grants" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "kind" "credit_grant_kind" NOT NULL,
    "reference_id" VARCHAR(200) NOT NULL,
    "priority" SMALLINT NOT NULL DEFAULT 100,
    "amount" BIGINT NOT NULL,
    "remaining" BIGINT NOT NULL,
    "expired_amount" BIGINT NOT NULL DEFAULT 0,
    "taken_amount" BIGINT NOT NULL DEFAULT 0,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "usable_until" TIMESTAMPTZ(3) NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "credit_grants_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "credit_grant_uses" (
    "reservation_id" UUID NOT NULL,
    "grant_id" UUID NOT NULL,
    "ordinal" SMALLINT NOT NULL,
    "amount" BIGINT NOT NULL,
    "returned_amount" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "credit_grant_uses_pkey" PRIMARY KEY ("reservation_id","grant_id")
);

-- CreateTable
CREATE TABLE "credit_adjustments" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "amount" BIGINT NOT NULL,
    "reason" VARCHAR(500) NOT NULL,
    "reference_id" VARCHAR(255) NOT NULL,
    "expires_at" TIMESTAMPTZ(3),
    "state" "credit_adjustment_state" NOT NULL DEFAULT 'pending',
    "requested_by" UUID NOT NULL,
    "decided_by" UUID,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "decided_at" TIMESTAMPTZ(3),

    CONSTRAINT "credit_adjustments_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "credit_readings" (
    "id" UUID NOT NULL,
    "actor_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "subject" VARCHAR(32) NOT NULL,
    "request_id" VARCHAR(64) NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "credit_readings_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "payments" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "provider" VARCHAR(16) NOT NULL,
    "package_id" UUID NOT NULL,
    "package_name" TEXT NOT NULL,
    "credits" INTEGER NOT NULL,
    "amount_cents" INTEGER NOT NULL,
    "currency" CHAR(3) NOT NULL,
    "state" "payment_state" NOT NULL DEFAULT 'created',
    "idempotency_key" VARCHAR(255),
    "session_id" VARCHAR(255),
    "payment_intent_id" VARCHAR(255),
    "checkout_url" TEXT,
    "expires_at" TIMESTAMPTZ(3),
    "checked_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "paid_at" TIMESTAMPTZ(3),
    "refunded_cents" INTEGER NOT NULL DEFAULT 0,
    "dispute_id" VARCHAR(255),
    "dispute_state" VARCHAR(8),
    "disputed_cents" INTEGER NOT NULL DEFAULT 0,
    "reversed_credits" INTEGER NOT NULL DEFAULT 0,
    "recovered_credits" INTEGER NOT NULL DEFAULT 0,
    "revision" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "payments_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "payment_events" (
    "id" UUID NOT NULL,
    "provider" VARCHAR(16) NOT NULL,
    "event_id" VARCHAR(255) NOT NULL,
    "type" VARCHAR(100) NOT NULL,
    "fact" JSONB NOT NULL,
    "state" "payment_event_state" NOT NULL DEFAULT 'received',
    "payment_id" UUID,
    "payment_intent_id" VARCHAR(255),
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "last_error" VARCHAR(500),
    "next_attempt_at" TIMESTAMPTZ(3),
    "received_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "processed_at" TIMESTAMPTZ(3),

    CONSTRAINT "payment_events_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "credit_grants_reference_id_key" ON "credit_grants"("reference_id");

-- CreateIndex
CREATE INDEX "credit_grants_user_id_id_idx" ON "credit_grants"("user_id", "id");

-- CreateIndex
CREATE INDEX "credit_grant_uses_grant_id_idx" ON "credit_grant_uses"("grant_id");

-- CreateIndex
CREATE UNIQUE INDEX "credit_adjustments_reference_id_key" ON "credit_adjustments"("reference_id");

-- CreateIndex
CREATE INDEX "credit_adjustments_user_id_idx" ON "credit_adjustments"("user_id");

-- CreateIndex
CREATE INDEX "credit_readings_user_id_id_idx" ON "credit_readings"("user_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "payments_session_id_key" ON "payments"("session_id");

-- CreateIndex
CREATE UNIQUE INDEX "payments_payment_intent_id_key" ON "payments"("payment_intent_id");

-- CreateIndex
CREATE INDEX "payments_user_id_id_idx" ON "payments"("user_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "payments_user_id_idempotency_key_key" ON "payments"("user_id", "idempotency_key");

-- CreateIndex
CREATE INDEX "payment_events_payment_id_idx" ON "payment_events"("payment_id");

-- CreateIndex
CREATE UNIQUE INDEX "payment_events_provider_event_id_key" ON "payment_events"("provider", "event_id");

-- AddForeignKey
ALTER TABLE "credit_grants" ADD CONSTRAINT "credit_grants_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "credit_grant_uses" ADD CONSTRAINT "credit_grant_uses_reservation_id_fkey" FOREIGN KEY ("reservation_id") REFERENCES "credit_reservations"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "credit_grant_uses" ADD CONSTRAINT "credit_grant_uses_grant_id_fkey" FOREIGN KEY ("grant_id") REFERENCES "credit_grants"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "credit_adjustments" ADD CONSTRAINT "credit_adjustments_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "payments" ADD CONSTRAINT "payments_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "payment_events" ADD CONSTRAINT "payment_events_payment_id_fkey" FOREIGN KEY ("payment_id") REFERENCES "payments"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What Prisma's language cannot say. The tables that are there already are checked from now on, and
-- wholly by the next migration.
ALTER TABLE "credits" ADD CONSTRAINT "credits_parts_not_negative" CHECK ("granted_balance" >= 0 AND "debt" >= 0) NOT VALID;
ALTER TABLE "credit_reservations" ADD CONSTRAINT "credit_reservations_granted_range" CHECK ("granted_amount" BETWEEN 0 AND "amount") NOT VALID;

ALTER TABLE "credit_grants" ADD CONSTRAINT "credit_grants_amounts" CHECK (
  "amount" BETWEEN 1 AND 1000000000 AND "remaining" >= 0 AND "expired_amount" >= 0 AND "taken_amount" >= 0
  AND "remaining" + "expired_amount" + "taken_amount" <= "amount"
);
ALTER TABLE "credit_grants" ADD CONSTRAINT "credit_grants_not_before_promised" CHECK ("usable_until" >= "expires_at");
CREATE INDEX "credit_grants_due" ON "credit_grants" ("usable_until") WHERE "remaining" > 0;
CREATE INDEX "credit_grants_spendable" ON "credit_grants" ("user_id", "priority", "usable_until", "id") WHERE "remaining" > 0;
ALTER TABLE "credit_grant_uses" ADD CONSTRAINT "credit_grant_uses_amounts" CHECK ("amount" >= 1 AND "returned_amount" BETWEEN 0 AND "amount");

-- Two people: who asks does not decide.
ALTER TABLE "credit_adjustments" ADD CONSTRAINT "credit_adjustments_decided" CHECK (
  ("state" = 'pending') = ("decided_by" IS NULL) AND ("decided_by" IS NULL) = ("decided_at" IS NULL)
);
ALTER TABLE "credit_adjustments" ADD CONSTRAINT "credit_adjustments_two_people" CHECK ("state" <> 'approved' OR "decided_by" <> "requested_by");
CREATE INDEX "credit_adjustments_pending" ON "credit_adjustments" ("id") WHERE "state" = 'pending';
CREATE TRIGGER "credit_readings_append_only" BEFORE UPDATE OR DELETE ON "credit_readings" FOR EACH ROW EXECUTE FUNCTION "refuse_change"();
CREATE TRIGGER "credit_readings_no_truncate" BEFORE TRUNCATE ON "credit_readings" FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"();

ALTER TABLE "payments" ADD CONSTRAINT "payments_price" CHECK ("credits" BETWEEN 1 AND 1000000 AND "amount_cents" >= 1);
ALTER TABLE "payments" ADD CONSTRAINT "payments_paid" CHECK (("state" = 'paid') = ("paid_at" IS NOT NULL));
ALTER TABLE "payments" ADD CONSTRAINT "payments_reversal" CHECK (
  "reversed_credits" BETWEEN 0 AND "credits" AND "recovered_credits" BETWEEN 0 AND "reversed_credits"
  AND "refunded_cents" BETWEEN 0 AND "amount_cents" AND "disputed_cents" BETWEEN 0 AND "amount_cents"
);
ALTER TABLE "payments" ADD CONSTRAINT "payments_dispute" CHECK (
  ("dispute_id" IS NULL) = ("dispute_state" IS NULL) AND "dispute_state" IN ('open', 'won', 'lost')
);
CREATE INDEX "payments_unsettled" ON "payments" ("checked_at") WHERE "state" IN ('created', 'open');
CREATE INDEX "payments_indebted" ON "payments" ("user_id", "id") WHERE "recovered_credits" < "reversed_credits";
CREATE INDEX "payment_events_due" ON "payment_events" ("next_attempt_at") WHERE "next_attempt_at" IS NOT NULL;
CREATE INDEX "payment_events_parked" ON "payment_events" ("payment_intent_id") WHERE "state" = 'waiting';
