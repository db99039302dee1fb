import assert from 'node:assert/strict'
import type { OutputMimeType } from '@funmagic/contract/asset'
import { newId, type AssetId } from '@funmagic/contract/ids'
import type { Database, Queryable } from '@funmagic/database/client'
import { join, sql, type Sql } from '@funmagic/database/sql'
import { inTransaction, type Transaction } from '@funmagic/database/transaction'
import { recordEvent } from './asset-rows.ts'
import { sourceKeptSeconds, type BucketRole, type DerivativePreset, type Place } from './asset.ts'
import type { CdnInvalidation } from './cdn-invalidation.ts'
import { derivativeKey, derivativePlaces, headersFor } from './object-keys.ts'
import { StoreFailure, type ObjectStore } from './object-store.ts'
import { openRevocation, sendRevocation } from './revocations.ts'

// The journal of moving bytes (decision 5). A move is `copying` until the copy is verified and the
// asset points at it, then `switched` until the source is removed, then `done`. A deletion begins
// as `switched`: its bytes go nowhere. Whoever works on a move holds it by its next attempt, which
// lies ahead by a lease; when that worker dies, the next sweep finds the move due again. Every step
// may be repeated: copying and removing are idempotent, and the switch is a guarded update.
// What moves is the asset and its derivatives, which lie beside it wherever it is. What public
// bytes leave behind at the edges is the business of revocations.ts.

export interface MoveDeps {
  readonly database: Database
  readonly store: ObjectStore
  /** Without one there is no CDN in front of the public bucket. */
  readonly cdn: CdnInvalidation | undefined
}

interface Move {
  readonly id: string
  readonly assetId: AssetId
  readonly fromBucket: BucketRole
  readonly fromKey: string
  readonly toBucket: BucketRole | null
  readonly toKey: string | null
  readonly state: 'copying' | 'switched' | 'done'
  /** What the copy must be; the bytes of an asset never change. */
  readonly mimeType: OutputMimeType
  readonly sizeBytes: number
  readonly sha256: string
  readonly derivatives: readonly DerivativePreset[]
}

const copyDeadlineMs = 60_000
/** Longer than a copy can take. */
const leaseSeconds = 90
/** A copy that was called off may still be under way: its bytes are removed after that. */
const calledOffKeptSeconds = 2 * leaseSeconds
const retryDelayMaxSeconds = 600

/** Opens the move of an asset's bytes, leased to the caller. */
export async function openMove(
  tx: Transaction,
  move: { assetId: AssetId; from: Place; to: Place },
): Promise<string> {
  const id = newId()
  const { assetId, from, to } = move
  await tx.query(sql`
    INSERT INTO asset_moves (id, asset_id, from_bucket, from_key, to_bucket, to_key, attempts,
      next_attempt_at)
    VALUES (${id}, ${assetId}, ${from.bucket}::asset_bucket, ${from.key},
      ${to.bucket}::asset_bucket, ${to.key}, 1, ${fromNow(leaseSeconds)})
  `)
  return id
}

/** Opens the removal of bytes that no row points at, due when the last link to them is over. */
export async function openRemoval(
  tx: Transaction,
  removal: { assetId: AssetId; place: Place; afterSeconds: number },
): Promise<string> {
  const id = newId()
  const { assetId, place, afterSeconds } = removal
  await tx.query(sql`
    INSERT INTO asset_moves (id, asset_id, from_bucket, from_key, state, delete_source_after,
      next_attempt_at)
    VALUES (${id}, ${assetId}, ${place.bucket}::asset_bucket, ${place.key}, 'switched',
      ${fromNow(afterSeconds)}, ${fromNow(afterSeconds)})
  `)
  return id
}

/** Calls off the move that is copying, if there is one; what it has copied is removed later. */
export async function callOffMove(tx: Transaction, assetId: AssetId): Promise<void> {
  const { rows } = await tx.query<{ toBucket: BucketRole; toKey: string }>(sql`
    UPDATE asset_moves SET state = 'done', updated_at = now()
    WHERE asset_id = ${assetId} AND state = 'copying'
    RETURNING to_bucket AS "toBucket", to_key AS "toKey"
  `)
  for (const { toBucket, toKey } of rows) {
    const place = { bucket: toBucket, key: toKey }
    await openRemoval(tx, { assetId, place, afterSeconds: calledOffKeptSeconds })
  }
}

/** How long the bytes at a place stay after the asset has left it. */
export function keptSeconds(bucket: BucketRole): number {
  // Signed addresses that are out there keep their promise (S1); a public one is to stop at once.
  return bucket === 'public' ? 0 : sourceKeptSeconds
}

export type MoveClaim =
  | { readonly kind: 'claimed'; readonly moveId: string }
  /** Somebody has it, or it has just failed. */
  | { readonly kind: 'busy' }
  | { readonly kind: 'none' }

/** Takes the work that keeps an asset's bytes from being where they belong, and only there. */
export async function claimMoveOf(database: Queryable, assetId: AssetId): Promise<MoveClaim> {
  const { rows } = await database.query<{ id: string; isDue: boolean }>(sql`
    SELECT id, next_attempt_at <= now() AS "isDue" FROM asset_moves
    WHERE asset_id = ${assetId} AND (state = 'copying'
      OR state = 'switched' AND from_bucket = 'public' AND delete_source_after <= now())
    ORDER BY state LIMIT 1
  `)
  const [open] = rows
  if (open === undefined) return { kind: 'none' }
  const moveId = open.isDue ? await claimDue(database, open.id) : undefined
  return moveId === undefined ? { kind: 'busy' } : { kind: 'claimed', moveId }
}

/** Works through moves that are due, up to a number; safe beside other sweepers. */
export async function continueMoves(
  deps: MoveDeps,
  limits: { movesMax: number },
  signal: AbortSignal,
): Promise<{ finished: number; failures: StoreFailure[] }> {
  const failures: StoreFailure[] = []
  let finished = 0
  while (finished + failures.length < limits.movesMax && !signal.aborted) {
    const moveId = await claimDue(deps.database)
    if (moveId === undefined) break
    try {
      await continueMove(deps, moveId, signal)
      finished++
    } catch (error) {
      if (!(error instanceof StoreFailure)) throw error
      failures.push(error)
    }
  }
  return { finished, failures }
}

/**
 * Takes a claimed move as far as it goes now. When the store fails, the move is due again soon and
 * StoreFailure is thrown on.
 */
export async function continueMove(
  deps: MoveDeps,
  moveId: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    const move = await readMove(deps.database, moveId)
    if (move.state === 'copying') await copyAndSwitch(deps, move, signal)
    const switched = await readMove(deps.database, moveId)
    if (switched.state === 'switched') await removeSource(deps, switched)
  } catch (error) {
    if (error instanceof StoreFailure) await recordFailure(deps.database, moveId, error)
    throw error
  }
}

/** The due move with this id, or any; leased to the caller, who counts as an attempt. */
async function claimDue(database: Queryable, moveId?: string): Promise<string | undefined> {
  const conditions = [sql`state <> 'done'`, sql`next_attempt_at <= now()`]
  if (moveId !== undefined) conditions.push(sql`id = ${moveId}`)
  const { rows } = await database.query<{ id: string }>(sql`
    UPDATE asset_moves SET attempts = attempts + 1, updated_at = now(),
      next_attempt_at = ${fromNow(leaseSeconds)}
    WHERE id = (
      SELECT id FROM asset_moves WHERE ${join(conditions, ' AND ')}
      ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING id
  `)
  return rows[0]?.id
}

async function readMove(database: Queryable, moveId: string): Promise<Move> {
  const { rows } = await database.query<Move>(sql`
    SELECT m.id, m.asset_id AS "assetId", m.from_bucket AS "fromBucket", m.from_key AS "fromKey",
      m.to_bucket AS "toBucket", m.to_key AS "toKey", m.state,
      a.mime_type AS "mimeType", a.size AS "sizeBytes", a.sha256, a.derivatives
    FROM asset_moves m JOIN assets a ON a.id = m.asset_id WHERE m.id = ${moveId}
  `)
  const [move] = rows
  assert(move, 'a move is never removed')
  return move
}

async function copyAndSwitch(deps: MoveDeps, move: Move, signal: AbortSignal): Promise<void> {
  assert(move.toBucket !== null && move.toKey !== null, 'a copy goes somewhere')
  const from = { bucket: move.fromBucket, key: move.fromKey }
  const to = { bucket: move.toBucket, key: move.toKey }
  const { sizeBytes, sha256 } = move
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(copyDeadlineMs)])
  const headers = headersFor(to, move.mimeType)
  await deps.store.copy({ from, to, headers, expected: { sizeBytes, sha256 } }, bounded)
  for (const preset of move.derivatives) {
    const beside = ({ bucket, key }: Place) => ({ bucket, key: derivativeKey(key, preset) })
    const own = { from: beside(from), to: beside(to), expected: 'source' } as const
    await deps.store.copy({ ...own, headers: headersFor(own.to, 'image/webp') }, bounded)
  }
  await inTransaction(deps.database, tx => switchPlace(tx, move, { from, to }))
}

/** From here on the asset is at the copy, unless the move was called off in the meantime. */
async function switchPlace(
  tx: Transaction,
  move: Move,
  { from, to }: { from: Place; to: Place },
): Promise<void> {
  // Everything that changes a place takes the asset's row first, so that nothing deadlocks.
  const { rows } = await tx.query<{ derivatives: DerivativePreset[] }>(
    sql`SELECT derivatives FROM assets WHERE id = ${move.assetId} FOR UPDATE`,
  )
  if (rows[0]?.derivatives.some(preset => !move.derivatives.includes(preset))) {
    throw new StoreFailure(new Error('a derivative was made in the meantime'))
  }
  const afterSeconds = keptSeconds(from.bucket)
  const { rowCount } = await tx.query(sql`
    UPDATE asset_moves SET state = 'switched', attempts = 1, last_error = NULL, updated_at = now(),
      delete_source_after = ${fromNow(afterSeconds)},
      next_attempt_at = ${fromNow(Math.max(afterSeconds, leaseSeconds))}
    WHERE id = ${move.id} AND state = 'copying'
  `)
  if (rowCount === 0) return
  const { rowCount: moved } = await tx.query(sql`
    UPDATE assets SET bucket = ${to.bucket}::asset_bucket, storage_key = ${to.key},
      version = version + 1, updated_at = now()
    WHERE id = ${move.assetId} AND bucket = ${from.bucket}::asset_bucket
      AND storage_key = ${from.key}
  `)
  assert(moved === 1, 'a move that is copying starts where its asset is')
  const detail = { from: `${from.bucket}:${from.key}`, to: `${to.bucket}:${to.key}` }
  await recordEvent(tx, move.assetId, { type: 'moved', detail })
}

/** The edges forget a public object after it is gone, or the next reader would bring it back. */
async function removeSource({ database, store, cdn }: MoveDeps, move: Move): Promise<void> {
  const { rows } = await database.query(sql`
    SELECT 1 FROM asset_moves WHERE id = ${move.id} AND delete_source_after <= now()
  `)
  if (rows.length === 0) return
  // All that may lie there: derivatives may have been made after the last look at the row.
  const place = { bucket: move.fromBucket, key: move.fromKey }
  const places = [...derivativePlaces(place), place]
  for (const taken of places) await store.remove(taken)
  const keys = places.map(({ key }) => key)
  const isRemembered = move.fromBucket === 'public' && cdn !== undefined
  await inTransaction(database, async tx => {
    const { rowCount } = await tx.query(sql`
      UPDATE asset_moves SET state = 'done', last_error = NULL, updated_at = now()
      WHERE id = ${move.id} AND state = 'switched'
    `)
    if (rowCount === 1 && isRemembered) await openRevocation(tx, { moveId: move.id, keys })
  })
  if (isRemembered) await sendRevocation({ database, cdn }, move.id)
}

async function recordFailure(
  database: Queryable,
  moveId: string,
  error: StoreFailure,
): Promise<void> {
  const reason = error.cause instanceof Error ? error.cause.message : error.message
  await database.query(sql`
    UPDATE asset_moves SET last_error = ${reason.slice(0, 500)}, updated_at = now(),
      next_attempt_at = now()
        + least(power(2, least(attempts, 10)), ${retryDelayMaxSeconds}) * interval '1 second'
    WHERE id = ${moveId} AND state <> 'done'
  `)
}

/** Columns keep milliseconds and round up: what is due now must be due for the next statement. */
function fromNow(seconds: number): Sql {
  return sql`date_trunc('milliseconds', now()) + ${seconds} * interval '1 second'`
}
