-- CreateTable
CREATE TABLE "provider_events" (
    "id" UUID NOT NULL,
    "provider" "provider_type" NOT NULL,
    "event_id" VARCHAR(2000) NOT NULL,
    "call_id" UUID,
    "provider_request_id" VARCHAR(128) NOT NULL,
    "status" VARCHAR(64) NOT NULL,
    "body" BYTEA,
    "received_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "joined_at" TIMESTAMPTZ(3),

    CONSTRAINT "provider_events_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "provider_events_provider_event_id_key" ON "provider_events"("provider", "event_id");

-- CreateIndex
CREATE INDEX "provider_events_received_at_idx" ON "provider_events"("received_at");

-- Events that have not found their call.
CREATE INDEX "provider_events_parked" ON "provider_events" ("received_at") WHERE "joined_at" IS NULL;
