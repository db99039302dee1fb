import pg from 'pg'
import type { UserId } from '@funmagic/contract/ids'

export interface GalleryPlan {
  readonly userId: UserId
  readonly rows: number
}

const rowsOfStatement = 100_000
const statementTimeoutMs = 120_000

/**
 * Fills a gallery as if its owner had kept a picture a minute: ids in the order of their time,
 * names, a few of 40 tags, two smaller pictures each. Of 100 000 rows one has the tag `rare`.
 */
export async function fillGallery(
  databaseUrl: string,
  { userId, rows }: GalleryPlan,
): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    // For the fill alone: the services keep their own bounds.
    await client.query(`SET statement_timeout = ${statementTimeoutMs}`)
    await client.query('SET synchronous_commit = off')
    const indexes = rows > rowsOfStatement ? await dropIndexes(client) : []
    for (let first = 1; first <= rows; first += rowsOfStatement) {
      const last = Math.min(first + rowsOfStatement - 1, rows)
      await client.query(insertRows, [userId, rows, first, last])
    }
    for (const definition of indexes) await client.query(definition)
    await client.query('VACUUM (ANALYZE) assets')
  } finally {
    await client.end()
  }
}

/** Indexes that are built at the end take a fraction of the time. Returns how to build them. */
async function dropIndexes(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string; definition: string }>(`
    SELECT indexrelid::regclass AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index
    WHERE indrelid = 'assets'::regclass
      AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)`)
  for (const { name } of rows) await client.query(`DROP INDEX ${name}`)
  return rows.map(({ definition }) => definition)
}

const insertRows = `
  INSERT INTO assets (id, user_id, module, bucket, storage_key, filename, mime_type, size, sha256,
    width, height, thumbhash, derivatives, derivatives_due_at, tags, created_at, updated_at)
  SELECT
    (lpad(to_hex((extract(epoch FROM taken_at) * 1000)::bigint), 12, '0')
      || '7' || substr(digest, 1, 3) || '8' || substr(digest, 4, 15))::uuid,
    $1::uuid, (ARRAY['background-remove', 'figme', 'photo-edit'])[1 + n % 3], 'private',
    'private/' || $1 || '/figme/' || substr(digest, 1, 26) || '.png',
    'holiday ' || n || '.png', 'image/png', 200000 + n % 800000, digest || digest, 1024, 768,
    '1QcSHQRnh493V4dIh4eXh1h4kJUI', ARRAY['thumb', 'card'], NULL,
    ARRAY['tag' || n % 40, 'tag' || n % 7] || CASE WHEN n % 100000 = 1 THEN ARRAY['rare'] END,
    taken_at, taken_at
  FROM generate_series($3::int, $4::int) AS n,
    LATERAL (SELECT now() - ($2 - n) * interval '1 minute' AS taken_at,
      md5($1 || n) AS digest) AS moment
`
