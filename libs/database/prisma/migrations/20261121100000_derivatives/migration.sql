-- Which smaller pictures of an asset are stored, and when those that are not are tried again.
-- Everything from before, and what the release before still writes, is due from the beginning.
SET lock_timeout = '3s';

-- AlterTable
ALTER TABLE "assets" ADD COLUMN     "derivatives" TEXT[] DEFAULT ARRAY[]::TEXT[],
ADD COLUMN     "derivatives_attempts" SMALLINT NOT NULL DEFAULT 0,
ADD COLUMN     "derivatives_due_at" TIMESTAMPTZ(3) DEFAULT '1970-01-01 00:00:00 +00:00';
