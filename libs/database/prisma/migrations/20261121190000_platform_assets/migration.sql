-- What administrators upload for the platform: counted in nobody's quota, and where it belongs.
SET lock_timeout = '3s';

-- AlterTable
ALTER TABLE "uploads" ADD COLUMN     "purpose" "asset_purpose" NOT NULL DEFAULT 'user';

CREATE OR REPLACE FUNCTION "count_kept"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM "add_asset_usage"(changed.user_id, changed.bytes, 0, 0) FROM (
      SELECT user_id, sum(size)::bigint AS bytes FROM new_rows
      WHERE deleted_at IS NULL AND purpose = 'user'
      GROUP BY user_id ORDER BY user_id) changed;
  ELSIF TG_OP = 'UPDATE' THEN
    PERFORM "add_asset_usage"(changed.user_id, changed.bytes, 0, 0) FROM (
      SELECT user_id, sum(bytes)::bigint AS bytes FROM (
        SELECT user_id, size AS bytes FROM new_rows WHERE deleted_at IS NULL AND purpose = 'user'
        UNION ALL
        SELECT user_id, -size FROM old_rows WHERE deleted_at IS NULL AND purpose = 'user') parts
      GROUP BY user_id HAVING sum(bytes) <> 0 ORDER BY user_id) changed;
  ELSE
    PERFORM "add_asset_usage"(changed.user_id, -changed.bytes, 0, 0) FROM (
      SELECT user_id, sum(size)::bigint AS bytes FROM old_rows
      WHERE deleted_at IS NULL AND purpose = 'user'
      GROUP BY user_id ORDER BY user_id) changed;
  END IF;
  RETURN NULL;
END;
$$;

CREATE OR REPLACE FUNCTION "count_promised"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM "add_asset_usage"(changed.user_id, 0, changed.bytes, changed.tickets) FROM (
      SELECT user_id, sum(size)::bigint AS bytes, count(*)::integer AS tickets FROM new_rows
      WHERE state = 'pending' AND purpose = 'user'
      GROUP BY user_id ORDER BY user_id) changed;
  ELSIF TG_OP = 'UPDATE' THEN
    PERFORM "add_asset_usage"(changed.user_id, 0, changed.bytes, changed.tickets) FROM (
      SELECT user_id, sum(bytes)::bigint AS bytes, sum(tickets)::integer AS tickets FROM (
        SELECT user_id, size AS bytes, 1 AS tickets FROM new_rows
        WHERE state = 'pending' AND purpose = 'user'
        UNION ALL
        SELECT user_id, -size, -1 FROM old_rows
        WHERE state = 'pending' AND purpose = 'user') parts
      GROUP BY user_id HAVING sum(bytes) <> 0 OR sum(tickets) <> 0 ORDER BY user_id) changed;
  ELSE
    PERFORM "add_asset_usage"(changed.user_id, 0, -changed.bytes, -changed.tickets) FROM (
      SELECT user_id, sum(size)::bigint AS bytes, count(*)::integer AS tickets FROM old_rows
      WHERE state = 'pending' AND purpose = 'user'
      GROUP BY user_id ORDER BY user_id) changed;
  END IF;
  RETURN NULL;
END;
$$;

-- Whatever a route forgets: an ops file stays public and where it is, and an audit file stays in the
-- bucket behind no CDN (reliability S11).
ALTER TABLE "assets" ADD CONSTRAINT "assets_purpose_place" CHECK (CASE "purpose"
  WHEN 'ops' THEN "visibility" = 'public' AND "bucket" = 'public' AND "storage_key" LIKE 'public/ops/%'
  WHEN 'audit' THEN "visibility" = 'admin-private' AND "bucket" = 'admin'
  ELSE true END) NOT VALID;
