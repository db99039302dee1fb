import type { AssetId } from '@funmagic/contract/ids'
import type { Database } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { placeOf, type Asset } from '../src/asset.ts'
import type { CdnInvalidation } from '../src/cdn-invalidation.ts'
import { continueMoves, type MoveDeps } from '../src/moves.ts'
import { StoreFailure } from '../src/object-store.ts'
import { makeFragile, openMemoryObjectStore } from '../src/testing.ts'
import { createAsset, openFixture, patient, sha256 } from './asset-fixture.ts'

/** An asset in a store that fails on demand, behind a CDN that remembers what it was told. */
export async function openMovingFixture() {
  const fixture = await openFixture()
  const { database, userId } = fixture
  const memory = openMemoryObjectStore()
  const store = makeFragile(memory)
  const cdn = recordInvalidations()
  const deps: MoveDeps = { database, store, cdn }
  const asset = await createAsset(database, store, { userId })
  const own = { userId, assetId: asset.id }
  return { ...fixture, memory, store, cdn, deps, asset, own }
}

interface RecordedInvalidations extends CdnInvalidation {
  readonly keys: string[]
  failNext(): void
}

function recordInvalidations(): RecordedInvalidations {
  const keys: string[] = []
  let isFailing = false
  return {
    keys,
    failNext: () => (isFailing = true),
    invalidate: async key => {
      const fails = isFailing
      isFailing = false
      if (fails) throw new StoreFailure(new Error('no reply from the CDN'))
      keys.push(key)
    },
    close: () => undefined,
  }
}

/** The row as it is, whoever may see it. */
export async function readRow(database: Database, assetId: AssetId) {
  const { rows } = await database.query<Asset & { deletedAt: Date | null; openMoves: number }>(sql`
    SELECT id, bucket, storage_key AS "storageKey", visibility, sha256, version,
      published_at AS "publishedAt", deleted_at AS "deletedAt",
      (SELECT count(*) FROM asset_moves WHERE asset_id = a.id AND state = 'copying') AS "openMoves"
    FROM assets a WHERE id = ${assetId}
  `)
  const [row] = rows
  if (row === undefined) throw new Error('there is no such asset')
  return row
}

/**
 * What holds at every moment: the row points at its bytes, and bytes are on their way exactly when
 * they are not where the visibility wants them.
 */
export async function findBreach(
  { memory, database }: Awaited<ReturnType<typeof openMovingFixture>>,
  assetId: AssetId,
): Promise<string | undefined> {
  const row = await readRow(database, assetId)
  if (row.deletedAt !== null) return row.openMoves === 0 ? undefined : 'a deleted asset moves'
  const bytes = await memory.read(placeOf(row), { bytesMax: 10_000 })
  if (bytes === undefined || sha256(bytes) !== row.sha256) return 'the row points at other bytes'
  const isInPlace = row.bucket === row.visibility
  if (row.openMoves !== (isInPlace ? 0 : 1)) return `${row.openMoves} moves to ${row.visibility}`
  return undefined
}

/** Lets an hour pass for the journal: every lease and every signed address is over. */
export async function passHour(database: Database): Promise<void> {
  await database.query(sql`
    UPDATE asset_moves SET next_attempt_at = next_attempt_at - interval '1 hour',
      delete_source_after = delete_source_after - interval '1 hour'
    WHERE state <> 'done'
  `)
}

export function sweep(deps: MoveDeps) {
  return continueMoves(deps, { movesMax: 50 }, patient)
}
