-- AlterTable
ALTER TABLE "uploads" ADD COLUMN     "cleared_at" TIMESTAMPTZ(3);

-- Uploads whose quarantined bytes are still to be removed.
CREATE INDEX "uploads_uncleared" ON "uploads" ("expires_at") WHERE "cleared_at" IS NULL;
