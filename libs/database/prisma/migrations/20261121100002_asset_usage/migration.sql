-- What each user keeps and has been promised, counted in the statements that change it, whoever
-- writes them, also in the release before: so that a quota is one row to read and to lock.
SET lock_timeout = '3s';

-- AlterTable
ALTER TABLE "uploads" ADD COLUMN     "multipart_id" VARCHAR(1024);

-- CreateTable
CREATE TABLE "asset_usage" (
    "user_id" UUID NOT NULL,
    "kept_bytes" BIGINT NOT NULL DEFAULT 0,
    "promised_bytes" BIGINT NOT NULL DEFAULT 0,
    "open_tickets" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "asset_usage_pkey" PRIMARY KEY ("user_id")
);

CREATE FUNCTION "add_asset_usage"(owner UUID, kept BIGINT, promised BIGINT, tickets INTEGER)
RETURNS void LANGUAGE sql AS $$
  INSERT INTO "asset_usage" AS usage ("user_id", "kept_bytes", "promised_bytes", "open_tickets")
  VALUES (owner, kept, promised, tickets)
  ON CONFLICT ("user_id") DO UPDATE SET
    "kept_bytes" = usage."kept_bytes" + EXCLUDED."kept_bytes",
    "promised_bytes" = usage."promised_bytes" + EXCLUDED."promised_bytes",
    "open_tickets" = usage."open_tickets" + EXCLUDED."open_tickets";
$$;

-- Users in the order of their ids: two statements that change several never wait in a circle.
CREATE FUNCTION "count_kept"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM "add_asset_usage"(changed.user_id, changed.bytes, 0, 0) FROM (
      SELECT user_id, sum(size)::bigint AS bytes FROM new_rows WHERE deleted_at IS NULL
      GROUP BY user_id ORDER BY user_id) changed;
  ELSIF TG_OP = 'UPDATE' THEN
    PERFORM "add_asset_usage"(changed.user_id, changed.bytes, 0, 0) FROM (
      SELECT user_id, sum(bytes)::bigint AS bytes FROM (
        SELECT user_id, size AS bytes FROM new_rows WHERE deleted_at IS NULL
        UNION ALL SELECT user_id, -size FROM old_rows WHERE deleted_at IS NULL) parts
      GROUP BY user_id HAVING sum(bytes) <> 0 ORDER BY user_id) changed;
  ELSE
    PERFORM "add_asset_usage"(changed.user_id, -changed.bytes, 0, 0) FROM (
      SELECT user_id, sum(size)::bigint AS bytes FROM old_rows WHERE deleted_at IS NULL
      GROUP BY user_id ORDER BY user_id) changed;
  END IF;
  RETURN NULL;
END;
$$;

CREATE FUNCTION "count_promised"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM "add_asset_usage"(changed.user_id, 0, changed.bytes, changed.tickets) FROM (
      SELECT user_id, sum(size)::bigint AS bytes, count(*)::integer AS tickets
      FROM new_rows WHERE state = 'pending' GROUP BY user_id ORDER BY user_id) changed;
  ELSIF TG_OP = 'UPDATE' THEN
    PERFORM "add_asset_usage"(changed.user_id, 0, changed.bytes, changed.tickets) FROM (
      SELECT user_id, sum(bytes)::bigint AS bytes, sum(tickets)::integer AS tickets FROM (
        SELECT user_id, size AS bytes, 1 AS tickets FROM new_rows WHERE state = 'pending'
        UNION ALL SELECT user_id, -size, -1 FROM old_rows WHERE state = 'pending') parts
      GROUP BY user_id HAVING sum(bytes) <> 0 OR sum(tickets) <> 0 ORDER BY user_id) changed;
  ELSE
    PERFORM "add_asset_usage"(changed.user_id, 0, -changed.bytes, -changed.tickets) FROM (
      SELECT user_id, sum(size)::bigint AS bytes, count(*)::integer AS tickets
      FROM old_rows WHERE state = 'pending' GROUP BY user_id ORDER BY user_id) changed;
  END IF;
  RETURN NULL;
END;
$$;

-- From here on nobody else writes until the end of this migration, so that the first count holds:
-- a second or so for a million rows.
CREATE TRIGGER "assets_count_inserted" AFTER INSERT ON "assets" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "count_kept"();
CREATE TRIGGER "assets_count_updated" AFTER UPDATE ON "assets" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "count_kept"();
CREATE TRIGGER "assets_count_deleted" AFTER DELETE ON "assets" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION "count_kept"();
CREATE TRIGGER "uploads_count_inserted" AFTER INSERT ON "uploads" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "count_promised"();
CREATE TRIGGER "uploads_count_updated" AFTER UPDATE ON "uploads" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "count_promised"();
CREATE TRIGGER "uploads_count_deleted" AFTER DELETE ON "uploads" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION "count_promised"();

INSERT INTO "asset_usage" ("user_id", "kept_bytes", "promised_bytes", "open_tickets")
SELECT user_id, sum(kept), sum(promised), sum(tickets) FROM (
  SELECT user_id, size AS kept, 0 AS promised, 0 AS tickets FROM "assets" WHERE deleted_at IS NULL
  UNION ALL SELECT user_id, 0, size, 1 FROM "uploads" WHERE state = 'pending') counted
GROUP BY user_id;
