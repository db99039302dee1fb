import type { AssetId } from '@funmagic/contract/ids'
import type { Database, Queryable } from '@funmagic/database/client'
import { empty, sql } from '@funmagic/database/sql'
import type { BucketRole, Place } from './asset.ts'
import { isDeployed, namesBeside } from './object-keys.ts'
import type { ListedObject, ObjectStore } from './object-store.ts'

// Postgres decides and the store obeys; this finds where it has not (S7). A run takes the next page
// of a bucket's keys and holds it against the rows of the same range of keys, both ways. Bytes
// without a row, such as an output whose worker died and whose task failed, are removed once they
// are older than anything that could still claim them. A row without bytes is a loss: it is told
// and never touched.

export interface ReconciliationDeps {
  readonly database: Database
  readonly store: ObjectStore
}

export interface ReconciliationLimits {
  /** Younger bytes may belong to a task or an upload that has not ended: days, not minutes. */
  readonly graceSeconds: number
  readonly objectsMax: number
}

export interface Reconciled {
  readonly bucket: BucketRole
  readonly listed: number
  /** Bytes without a row that were removed. */
  readonly removed: readonly string[]
  /** Bytes at places that are not ours to judge, which stay. */
  readonly foreign: number
  /** Rows without bytes in this page. */
  readonly missing: readonly AssetId[]
  /** Rows without bytes in this round or in the whole one before, whichever is more. */
  readonly missingInAll: number
}

/** Only what lies under these is ours to remove. */
const ownPrefixes: Readonly<Record<BucketRole, readonly string[]>> = {
  private: ['private/', 'quarantine/'],
  public: ['public/'],
  admin: ['internal/'],
}
const leaseSeconds = 300

/**
 * Takes the bucket one page further; undefined while another process has it. What dies in between
 * is taken up again at the same place when its lease is over.
 */
export async function reconcilePage(
  { database, store }: ReconciliationDeps,
  bucket: BucketRole,
  limits: ReconciliationLimits,
): Promise<Reconciled | undefined> {
  const after = await claimPosition(database, bucket)
  if (after === undefined) return undefined
  const objects = await store.list(bucket, { after, limit: limits.objectsMax })
  const last = objects.length < limits.objectsMax ? undefined : objects.at(-1)?.key
  const own = objects.filter(({ key }) => isOurs({ bucket, key }))

  const removed: string[] = []
  for (const key of await findOrphans(database, bucket, oldEnough(own, limits))) {
    await store.remove({ bucket, key })
    removed.push(key)
  }
  const range = { bucket, after, last }
  const missing = await findMissing({ database, store }, range, new Set(own.map(({ key }) => key)))
  const missingInAll = await savePosition(database, { bucket, last, found: missing.length })
  const foreign = objects.length - own.length
  return { bucket, listed: objects.length, removed, foreign, missing, missingInAll }
}

function isOurs(place: Place): boolean {
  return ownPrefixes[place.bucket].some(start => place.key.startsWith(start)) && !isDeployed(place)
}

async function claimPosition(database: Queryable, bucket: BucketRole): Promise<string | undefined> {
  const { rows } = await database.query<{ position: string }>(sql`
    UPDATE asset_reconciliations
    SET leased_until = now() + ${leaseSeconds} * interval '1 second', updated_at = now()
    WHERE bucket = ${bucket}::asset_bucket AND leased_until <= now()
    RETURNING position
  `)
  return rows[0]?.position
}

/** After the last page the next round begins, and what this one has found is kept as its sum. */
async function savePosition(
  database: Queryable,
  page: { bucket: BucketRole; last: string | undefined; found: number },
): Promise<number> {
  const isLast = page.last === undefined
  const { rows } = await database.query<{ missingInAll: number }>(sql`
    UPDATE asset_reconciliations SET position = ${page.last ?? ''}, leased_until = 'epoch',
      updated_at = now(), missing = ${isLast ? sql`0` : sql`missing + ${page.found}`}
      ${isLast ? sql`, missing_before = missing + ${page.found}, rounds = rounds + 1` : empty}
    WHERE bucket = ${page.bucket}::asset_bucket
    RETURNING greatest(missing, missing_before) AS "missingInAll"
  `)
  return rows[0]?.missingInAll ?? 0
}

function oldEnough(objects: readonly ListedObject[], limits: ReconciliationLimits): string[] {
  const latestMs = Date.now() - limits.graceSeconds * 1000
  return objects.filter(({ modifiedAt }) => modifiedAt.getTime() < latestMs).map(({ key }) => key)
}

/**
 * The keys that nothing accounts for: no asset that lies there or beside it, no move that comes
 * from there or goes there, and no upload whose bytes are still to be cleared.
 */
async function findOrphans(
  database: Queryable,
  bucket: BucketRole,
  keys: readonly string[],
): Promise<string[]> {
  if (keys.length === 0) return []
  const beside = new Map(keys.map(key => [key, namesBeside(key)]))
  const names = [...new Set([...beside.values()].flat())]
  const { rows } = await database.query<{ key: string }>(sql`
    SELECT storage_key AS key FROM assets
    WHERE bucket = ${bucket}::asset_bucket AND storage_key = ANY(${names}) AND deleted_at IS NULL
    UNION ALL
    SELECT from_key FROM asset_moves
    WHERE state <> 'done' AND from_bucket = ${bucket}::asset_bucket AND from_key = ANY(${names})
    UNION ALL
    SELECT to_key FROM asset_moves
    WHERE state <> 'done' AND to_bucket = ${bucket}::asset_bucket AND to_key = ANY(${names})
    UNION ALL
    SELECT quarantine_key FROM uploads
    WHERE cleared_at IS NULL AND quarantine_key = ANY(${names})
  `)
  const known = new Set(rows.map(({ key }) => key))
  return keys.filter(key => !beside.get(key)?.some(name => known.has(name)))
}

interface KeyRange {
  readonly bucket: BucketRole
  readonly after: string
  /** Undefined for the end of the bucket. */
  readonly last: string | undefined
}

const rowsMax = 5_000

/** S3 lists keys in the order of their bytes, which is the collation "C" and its own index. */
async function findMissing(
  { database, store }: ReconciliationDeps,
  { bucket, after, last }: KeyRange,
  present: ReadonlySet<string>,
): Promise<AssetId[]> {
  const { rows } = await database.query<{ id: AssetId; key: string }>(sql`
    SELECT id, storage_key AS key FROM assets
    WHERE bucket = ${bucket}::asset_bucket AND deleted_at IS NULL
      AND storage_key COLLATE "C" > ${after}
      ${last === undefined ? empty : sql`AND storage_key COLLATE "C" <= ${last}`}
    ORDER BY storage_key COLLATE "C" LIMIT ${rowsMax}
  `)
  const missing: AssetId[] = []
  for (const { id, key } of rows.filter(row => !present.has(row.key))) {
    if (await isLost({ database, store }, id, { bucket, key })) missing.push(id)
  }
  return missing
}

/** The listing is older than the rows: what has come or moved in between is not lost. */
async function isLost(
  { database, store }: ReconciliationDeps,
  id: AssetId,
  place: Place,
): Promise<boolean> {
  if ((await store.find(place)) !== undefined) return false
  const { rows } = await database.query(sql`
    SELECT 1 FROM assets
    WHERE id = ${id} AND bucket = ${place.bucket}::asset_bucket AND storage_key = ${place.key}
      AND deleted_at IS NULL
  `)
  return rows.length > 0
}
