SET lock_timeout = '3s';

-- AlterTable
ALTER TABLE "tasks" ADD COLUMN     "inherits_picture" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "rate_limit_attempts" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "ready_at" TIMESTAMPTZ(3) DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "retried_task_id" UUID,
ADD COLUMN     "timeout_ms" INTEGER,
ADD COLUMN     "virtual_start" BIGINT,
ADD COLUMN     "waits_for_parent" BOOLEAN NOT NULL DEFAULT false;

-- AlterTable
ALTER TABLE "provider_calls" ADD COLUMN     "cancel_attempts" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "cancel_due_at" TIMESTAMPTZ(3);

-- A task never starts before its parent has completed (T8), whichever release claims it.
ALTER TABLE "tasks" ADD CONSTRAINT "tasks_waiting_not_started" CHECK (NOT "waits_for_parent" OR "status" IN ('pending', 'failed', 'canceled')) NOT VALID;
ALTER TABLE "tasks" ADD CONSTRAINT "tasks_waiting_has_parent" CHECK (NOT "waits_for_parent" OR "parent_task_id" IS NOT NULL) NOT VALID;
