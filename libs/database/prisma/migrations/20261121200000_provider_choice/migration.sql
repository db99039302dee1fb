SET lock_timeout = '3s';

-- AlterTable
ALTER TABLE "provider_calls" ADD COLUMN     "provider_id" UUID,
ADD COLUMN     "cost_micro_usd" INTEGER NOT NULL DEFAULT 0;
