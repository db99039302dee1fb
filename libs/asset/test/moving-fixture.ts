import type { AssetId } from '@funmagic/contract/ids'
import type { Database } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { placeOf, type Asset } from '../src/asset.ts'
import type { CdnInvalidation } from '../src/cdn-invalidation.ts'
import { continueMoves, type MoveDeps } from '../src/moves.ts'
import { continueRevocations } from '../src/revocations.ts'
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
  /** The assets that were named, once for each time. */
  readonly keys: string[]
  readonly requests: { paths: readonly string[]; reference: string }[]
  /** What an edge still serves. */
  readonly served: Set<string>
  /** The next request, or the next probe, fails before or after it has an effect. */
  failNext(operation: 'invalidate' | 'probe', moment?: 'before' | 'after'): void
}

export function recordInvalidations(): RecordedInvalidations {
  const requests: { paths: readonly string[]; reference: string }[] = []
  const served = new Set<string>()
  const planned = new Map<string, 'before' | 'after'>()
  const attempt = <Result>(operation: string, work: () => Result): Result => {
    const moment = planned.get(operation)
    planned.delete(operation)
    if (moment === 'before') throw new StoreFailure(new Error('the CDN is away'))
    const result = work()
    if (moment === 'after') throw new StoreFailure(new Error('no reply from the CDN'))
    return result
  }
  return {
    requests,
    served,
    get keys() {
      const keys = requests.flatMap(({ paths }) => paths.map(path => path.slice(1)))
      return keys.filter(key => !/\.(thumb|card)\.webp$/.test(key))
    },
    failNext: (operation, moment = 'before') => planned.set(operation, moment),
    invalidate: async request => attempt('invalidate', () => void requests.push(request)),
    probe: async key => attempt('probe', () => (served.has(key) ? 'served' : 'refused')),
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
  await database.query(sql`
    UPDATE asset_revocations SET next_attempt_at = next_attempt_at - interval '1 hour'
    WHERE refused_at IS NULL
  `)
}

/** One round of the sweeper over moves, and then over what the edges are to forget. */
export async function sweep(deps: MoveDeps) {
  const moves = await continueMoves(deps, { movesMax: 50 }, patient)
  if (deps.cdn === undefined) return moves
  const { database, cdn } = deps
  await continueRevocations({ database, cdn }, patient)
  return moves
}
