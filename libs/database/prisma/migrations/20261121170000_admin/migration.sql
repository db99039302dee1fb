SET lock_timeout = '3s';

-- AlterTable
ALTER TABLE "tool_types" ADD COLUMN     "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "is_active" BOOLEAN NOT NULL DEFAULT true,
ADD COLUMN     "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "version" INTEGER NOT NULL DEFAULT 1;

-- AlterTable
ALTER TABLE "providers" ADD COLUMN     "api_key_last4" VARCHAR(4),
ADD COLUMN     "version" INTEGER NOT NULL DEFAULT 1;

-- AlterTable
ALTER TABLE "admin_providers" ADD COLUMN     "api_key_last4" VARCHAR(4),
ADD COLUMN     "version" INTEGER NOT NULL DEFAULT 1;

-- AlterTable
ALTER TABLE "rate_limit_settings" ADD COLUMN     "version" INTEGER NOT NULL DEFAULT 1;

-- CreateTable
CREATE TABLE "tool_versions" (
    "tool_id" UUID NOT NULL,
    "version" INTEGER NOT NULL,
    "title" TEXT NOT NULL,
    "description" TEXT,
    "tool_type_id" UUID NOT NULL,
    "config" JSONB NOT NULL,
    "credits_cost" INTEGER NOT NULL,
    "is_active" BOOLEAN NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "tool_versions_pkey" PRIMARY KEY ("tool_id","version")
);

-- CreateTable
CREATE TABLE "admin_events" (
    "id" UUID NOT NULL,
    "actor_id" UUID NOT NULL,
    "actor_role" "user_role" NOT NULL,
    "action" TEXT NOT NULL,
    "subject_type" TEXT NOT NULL,
    "subject_id" TEXT NOT NULL,
    "before" JSONB,
    "after" JSONB,
    "reason" TEXT,
    "request_id" VARCHAR(64) NOT NULL,
    "idempotency_key" VARCHAR(255),
    "request_hash" CHAR(64),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "admin_events_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "admin_events_subject_type_subject_id_id_idx" ON "admin_events"("subject_type", "subject_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "admin_events_actor_id_idempotency_key_key" ON "admin_events"("actor_id", "idempotency_key");

-- AddForeignKey
ALTER TABLE "tool_versions" ADD CONSTRAINT "tool_versions_tool_id_fkey" FOREIGN KEY ("tool_id") REFERENCES "tools"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "admin_events" ADD CONSTRAINT "admin_events_actor_id_fkey" FOREIGN KEY ("actor_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

ALTER TABLE "admin_events" ADD CONSTRAINT "admin_events_key_with_hash" CHECK (("idempotency_key" IS NULL) = ("request_hash" IS NULL));
CREATE TRIGGER "admin_events_append_only" BEFORE UPDATE OR DELETE ON "admin_events" FOR EACH ROW EXECUTE FUNCTION "refuse_change"();
CREATE TRIGGER "admin_events_no_truncate" BEFORE TRUNCATE ON "admin_events" FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"();

-- Every version that a tool has ever had, whoever writes the tool: what was quoted can be run (T7).
CREATE FUNCTION "keep_tool_version"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "tool_versions" ("tool_id", "version", "title", "description", "tool_type_id", "config", "credits_cost", "is_active")
  VALUES (NEW."id", NEW."version", NEW."title", NEW."description", NEW."tool_type_id", NEW."config", NEW."credits_cost", NEW."is_active");
  RETURN NULL;
END
$$;
CREATE TRIGGER "tools_keep_first_version" AFTER INSERT ON "tools" FOR EACH ROW EXECUTE FUNCTION "keep_tool_version"();
CREATE TRIGGER "tools_keep_version" AFTER UPDATE ON "tools" FOR EACH ROW WHEN (OLD."version" IS DISTINCT FROM NEW."version") EXECUTE FUNCTION "keep_tool_version"();
INSERT INTO "tool_versions" ("tool_id", "version", "title", "description", "tool_type_id", "config", "credits_cost", "is_active")
SELECT "id", "version", "title", "description", "tool_type_id", "config", "credits_cost", "is_active" FROM "tools";
CREATE TRIGGER "tool_versions_append_only" BEFORE UPDATE OR DELETE ON "tool_versions" FOR EACH ROW EXECUTE FUNCTION "refuse_change"();
CREATE TRIGGER "tool_versions_no_truncate" BEFORE TRUNCATE ON "tool_versions" FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"();
