import { newId, type AssetId } from '@funmagic/contract/ids'
import type { Database, Queryable } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { inTransaction, type Transaction } from '@funmagic/database/transaction'
import { recordEvent } from './asset-rows.ts'
import type { CdnInvalidation } from './cdn-invalidation.ts'
import { choosePaths } from './invalidation-paths.ts'
import { StoreFailure } from './object-store.ts'

// The journal of what the edges are to forget (A11, TR2). A revocation is opened in the transaction
// that ends the removal of public bytes, and is done when the public address was seen to refuse
// them. In between it has an invalidation, which is written down before it is sent and sent again
// under the same reference until the CDN has accepted it. An edge that still serves the bytes long
// after is told anew. Whoever works on a revocation holds it by its next attempt, as with moves.

export interface RevocationDeps {
  readonly database: Database
  readonly cdn: CdnInvalidation
}

interface Revocation {
  readonly id: string
  readonly assetId: AssetId
  readonly keys: readonly string[]
  readonly invalidationId: string | null
  readonly isAccepted: boolean
  /** It was accepted long ago, and yet the bytes were served at the last look. */
  readonly isOverdue: boolean
}

interface Invalidation {
  readonly id: string
  readonly paths: readonly string[]
}

/** Longer than sending or a round of probes can take. */
const leaseSeconds = 60
const batchMax = 200
const probesAtOnce = 4
const retryDelayMaxSeconds = 300
/** Invalidations take a minute or two; one that has not worked after this is sent anew. */
const resendAfterSeconds = 600
/** An invalidation that was not seen to work counts as being in progress for so long. */
const inProgressSeconds = 1_800
const assignLock = 'cdn_invalidations'

/** Opens the revocation of a removal, leased to the caller. */
export async function openRevocation(
  tx: Transaction,
  revocation: { moveId: string; keys: readonly string[] },
): Promise<void> {
  await tx.query(sql`
    INSERT INTO asset_revocations (id, asset_id, keys, requested_at, next_attempt_at)
    SELECT id, asset_id, ${revocation.keys}::text[],
      -- A copy that was called off was never asked for: its time starts when it is due to go.
      CASE WHEN to_key IS NULL THEN greatest(created_at, delete_source_after) ELSE created_at END,
      now() + ${leaseSeconds} * interval '1 second'
    FROM asset_moves WHERE id = ${revocation.moveId}
    ON CONFLICT (id) DO NOTHING
  `)
}

/** Has the CDN accept the invalidation of a leased revocation; StoreFailure when it does not. */
export async function sendRevocation(deps: RevocationDeps, id: string): Promise<void> {
  const invalidation = await assignInvalidation(deps.database, [id])
  if (invalidation === undefined) throw new StoreFailure(new Error('too many are in progress'))
  await send(deps, invalidation)
}

export type RevocationClaim =
  | { readonly kind: 'claimed'; readonly revocationId: string }
  /** Somebody has it, or it has just failed. */
  | { readonly kind: 'busy' }
  | { readonly kind: 'none' }

/** Takes the revocation of an asset that the CDN has not accepted yet. */
export async function claimRevocationOf(
  database: Queryable,
  assetId: AssetId,
): Promise<RevocationClaim> {
  const { rows } = await database.query<{ id: string; isDue: boolean }>(sql`
    SELECT r.id, r.next_attempt_at <= now() AS "isDue" FROM asset_revocations r
    LEFT JOIN cdn_invalidations i ON i.id = r.invalidation_id
    WHERE r.asset_id = ${assetId} AND r.refused_at IS NULL AND i.accepted_at IS NULL
    ORDER BY r.id DESC LIMIT 1
  `)
  const [open] = rows
  if (open === undefined) return { kind: 'none' }
  if (!open.isDue) return { kind: 'busy' }
  const [claimed] = await claimDue(database, { max: 1, id: open.id })
  return claimed === undefined ? { kind: 'busy' } : { kind: 'claimed', revocationId: claimed.id }
}

export interface Refused {
  readonly assetId: AssetId
  /** From the change of visibility or the deletion until the public address refused. */
  readonly seconds: number
}

export interface RevocationsSwept {
  readonly refused: readonly Refused[]
  /** Revocations whose bytes an edge still serves. */
  readonly served: number
  readonly failures: readonly StoreFailure[]
}

/** Sends what has not been accepted, and looks at what has; safe beside other sweepers. */
export async function continueRevocations(
  deps: RevocationDeps,
  signal: AbortSignal,
): Promise<RevocationsSwept> {
  const failures: StoreFailure[] = []
  const claimed = await claimDue(deps.database, { max: batchMax })
  for (const invalidation of await invalidationsOf(deps.database, claimed)) {
    if (signal.aborted) break
    await orNote(failures, () => send(deps, invalidation))
  }
  const refused: Refused[] = []
  let served = 0
  const accepted = claimed.filter(({ isAccepted, isOverdue }) => isAccepted && !isOverdue)
  for (let at = 0; at < accepted.length && !signal.aborted; at += probesAtOnce) {
    const round = accepted.slice(at, at + probesAtOnce)
    // Bounded by probesAtOnce.
    const answers = await Promise.all(
      round.map(revocation => orNote(failures, () => look(deps, revocation))),
    )
    refused.push(...answers.filter(answer => typeof answer === 'object'))
    served += answers.filter(answer => answer === 'served').length
  }
  return { refused, served, failures }
}

async function orNote<Result>(
  failures: StoreFailure[],
  work: () => Promise<Result>,
): Promise<Result | undefined> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof StoreFailure)) throw error
    failures.push(error)
    return undefined
  }
}

async function claimDue(
  database: Queryable,
  wanted: { max: number; id?: string },
): Promise<Revocation[]> {
  const { rows } = await database.query<Revocation>(sql`
    UPDATE asset_revocations r SET attempts = r.attempts + 1,
      next_attempt_at = now() + ${leaseSeconds} * interval '1 second'
    FROM (
      SELECT id FROM asset_revocations
      WHERE refused_at IS NULL AND next_attempt_at <= now()
        AND (${wanted.id ?? null}::uuid IS NULL OR id = ${wanted.id ?? null}::uuid)
      ORDER BY next_attempt_at LIMIT ${wanted.max} FOR UPDATE SKIP LOCKED
    ) AS due
    LEFT JOIN asset_revocations own ON own.id = due.id
    LEFT JOIN cdn_invalidations i ON i.id = own.invalidation_id
    WHERE r.id = due.id
    RETURNING r.id, r.asset_id AS "assetId", r.keys, r.invalidation_id AS "invalidationId",
      i.accepted_at IS NOT NULL AS "isAccepted",
      coalesce(i.accepted_at < now() - ${resendAfterSeconds} * interval '1 second', false)
        AS "isOverdue"
  `)
  return rows
}

/** What has to be sent for these: once more what was not accepted, and one for all the others. */
async function invalidationsOf(
  database: Database,
  claimed: readonly Revocation[],
): Promise<Invalidation[]> {
  const again = claimed.filter(({ invalidationId, isAccepted }) => invalidationId && !isAccepted)
  const anew = claimed.filter(({ invalidationId, isOverdue }) => !invalidationId || isOverdue)
  const { rows } = await database.query<Invalidation>(sql`
    SELECT id, paths FROM cdn_invalidations
    WHERE id = ANY(${again.map(({ invalidationId }) => invalidationId)}::uuid[]) ORDER BY id
  `)
  if (anew.length === 0) return rows
  const assigned = await assignInvalidation(
    database,
    anew.map(({ id }) => id),
  )
  return assigned === undefined ? rows : [...rows, assigned]
}

/** Undefined when the CDN would take no more now; the revocations wait for the next sweep. */
async function assignInvalidation(
  database: Database,
  ids: readonly string[],
): Promise<Invalidation | undefined> {
  return inTransaction(database, async tx => {
    // One at a time, so that together they stay within what the CDN takes.
    await tx.query(sql`SELECT pg_advisory_xact_lock(hashtext(${assignLock}))`)
    const { rows: wanted } = await tx.query<{ keys: string[]; invalidation: Invalidation | null }>(
      sql`
        SELECT r.keys, CASE WHEN i.accepted_at IS NULL AND i.id IS NOT NULL
          THEN jsonb_build_object('id', i.id, 'paths', i.paths) END AS invalidation
        FROM asset_revocations r LEFT JOIN cdn_invalidations i ON i.id = r.invalidation_id
        WHERE r.id = ANY(${ids}::uuid[]) ORDER BY r.id
      `,
    )
    // A single one that was sent in vain is sent again as it was.
    const [first] = wanted
    if (wanted.length === 1 && first?.invalidation) return first.invalidation
    const paths = choosePaths(
      wanted.flatMap(({ keys }) => keys),
      await countInProgress(tx),
    )
    if (paths === undefined) return undefined
    const id = newId()
    await tx.query(sql`INSERT INTO cdn_invalidations (id, paths) VALUES (${id}, ${paths}::text[])`)
    await tx.query(sql`
      UPDATE asset_revocations SET invalidation_id = ${id} WHERE id = ANY(${ids}::uuid[])
    `)
    return { id, paths }
  })
}

async function countInProgress(tx: Transaction): Promise<{ files: number; wildcards: number }> {
  const { rows } = await tx.query<{ files: number; wildcards: number }>(sql`
    SELECT count(*) FILTER (WHERE path NOT LIKE '%*') AS files,
      count(*) FILTER (WHERE path LIKE '%*') AS wildcards
    FROM cdn_invalidations i, unnest(i.paths) AS path
    WHERE i.created_at > now() - ${inProgressSeconds} * interval '1 second' AND EXISTS (
      SELECT 1 FROM asset_revocations r WHERE r.invalidation_id = i.id AND r.refused_at IS NULL)
  `)
  return rows[0] ?? { files: 0, wildcards: 0 }
}

async function send({ database, cdn }: RevocationDeps, { id, paths }: Invalidation): Promise<void> {
  try {
    await cdn.invalidate({ paths, reference: id })
  } catch (error) {
    if (error instanceof StoreFailure) {
      await database.query(sql`
        UPDATE asset_revocations SET last_error = ${reasonOf(error)}, next_attempt_at = ${soon}
        WHERE invalidation_id = ${id} AND refused_at IS NULL
      `)
    }
    throw error
  }
  await database.query(sql`
    WITH accepted AS (UPDATE cdn_invalidations SET accepted_at = now() WHERE id = ${id})
    UPDATE asset_revocations SET attempts = 0, last_error = NULL,
      next_attempt_at = date_trunc('milliseconds', now())
    WHERE invalidation_id = ${id} AND refused_at IS NULL
  `)
}

/** All its objects, at the edge that is next to us. */
async function look(
  { database, cdn }: RevocationDeps,
  revocation: Revocation,
): Promise<Refused | 'served' | undefined> {
  try {
    for (const key of revocation.keys) {
      if ((await cdn.probe(key)) === 'refused') continue
      await lookAgain(database, revocation.id)
      return 'served'
    }
  } catch (error) {
    if (error instanceof StoreFailure) await postpone(database, revocation.id, reasonOf(error))
    throw error
  }
  return inTransaction(database, tx => recordRefusal(tx, revocation.id))
}

async function recordRefusal(tx: Transaction, id: string): Promise<Refused | undefined> {
  const { rows } = await tx.query<Refused>(sql`
    UPDATE asset_revocations SET refused_at = now(), last_error = NULL
    WHERE id = ${id} AND refused_at IS NULL
    RETURNING asset_id AS "assetId",
      round(extract(epoch FROM now() - requested_at), 3)::float8 AS seconds
  `)
  const [refused] = rows
  if (refused === undefined) return undefined
  const { assetId, seconds } = refused
  await recordEvent(tx, assetId, { type: 'revoked', detail: { seconds } })
  return refused
}

/** A look comes late by less than half of the time that it measures (reliability L24). */
async function lookAgain(database: Queryable, id: string): Promise<void> {
  await database.query(sql`
    UPDATE asset_revocations SET last_error = NULL,
      next_attempt_at = now() + interval '1 second' * least(${retryDelayMaxSeconds},
        greatest(1, 0.4 * extract(epoch FROM now() - requested_at)))
    WHERE id = ${id}
  `)
}

async function postpone(database: Queryable, id: string, error: string): Promise<void> {
  await database.query(sql`
    UPDATE asset_revocations SET last_error = ${error}, next_attempt_at = ${soon} WHERE id = ${id}
  `)
}

const soon = sql`now()
  + least(power(2, least(attempts, 10)), ${retryDelayMaxSeconds}) * interval '1 second'`

function reasonOf(error: StoreFailure): string {
  const reason = error.cause instanceof Error ? error.cause.message : error.message
  return reason.slice(0, 500)
}
