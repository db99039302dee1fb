import { isId, newId, type UserId } from '@funmagic/contract/ids'
import type { PageOf, PageRequest } from '@funmagic/contract/page'
import { AppError } from '@funmagic/contract/problem'
import type { Queryable } from '@funmagic/database/client'
import { empty, sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'
import { postEntry, type Entry } from './entries.ts'
import { grantCredits } from './grants.ts'

/** What one operator asked for and another has to agree to (C9; ASVS 2.3.5). */
export interface Adjustment {
  readonly id: string
  readonly userId: UserId
  readonly amount: number
  readonly reason: string
  /** Of a grant; an adjustment does not expire. */
  readonly expiresAt: Date | null
  readonly state: 'pending' | 'approved' | 'rejected'
  readonly requestedBy: UserId
  readonly decidedBy: UserId | null
  readonly createdAt: Date
  readonly decidedAt: Date | null
}

export interface NewAdjustment {
  readonly userId: UserId
  readonly amount: number
  readonly reason: string
  readonly expiresAt?: Date | undefined
  readonly requestedBy: UserId
  /** One reference is asked for once. */
  readonly referenceId: string
}

const columns = sql`
  id, user_id AS "userId", amount, reason, expires_at AS "expiresAt", state,
  requested_by AS "requestedBy", decided_by AS "decidedBy", created_at AS "createdAt",
  decided_at AS "decidedAt"`

/**
 * Writes down what is asked for; a repeat under the same reference finds the first. Throws
 * NOT_FOUND without an account, IDEMPOTENCY_MISMATCH when the reference was used for another.
 */
export async function requestAdjustment(
  tx: Transaction,
  asked: NewAdjustment,
): Promise<Adjustment> {
  const { userId, amount, reason, expiresAt, requestedBy, referenceId } = asked
  const { rows } = await tx.query<Adjustment>(sql`
    INSERT INTO credit_adjustments (id, user_id, amount, reason, expires_at, requested_by,
      reference_id)
    SELECT ${newId()}, user_id, ${amount}, ${reason}, ${expiresAt ?? null}::timestamptz,
      ${requestedBy}, ${referenceId}
    FROM credits WHERE user_id = ${userId}
    ON CONFLICT (reference_id) DO NOTHING RETURNING ${columns}
  `)
  if (rows[0]) return rows[0]
  const earlier = await tx.query<Adjustment>(
    sql`SELECT ${columns} FROM credit_adjustments WHERE reference_id = ${referenceId}`,
  )
  const [found] = earlier.rows
  if (!found) throw new AppError('NOT_FOUND')
  const isSame = found.userId === userId && found.amount === amount && found.reason === reason
  if (!isSame || found.expiresAt?.getTime() !== expiresAt?.getTime()) {
    throw new AppError('IDEMPOTENCY_MISMATCH')
  }
  return found
}

interface Decision {
  readonly adjustmentId: string
  readonly actorId: UserId
}

/**
 * Posts what was asked for, once: a repeat by the same operator returns the same. Throws NOT_FOUND,
 * SECOND_PERSON_REQUIRED for whoever asked, CONFLICT when it was decided otherwise, and like
 * postEntry; then it stays pending.
 */
export async function approveAdjustment(
  tx: Transaction,
  { adjustmentId, actorId }: Decision,
): Promise<{ readonly adjustment: Adjustment; readonly entry: Entry | undefined }> {
  const asked = await lockAdjustment(tx, adjustmentId)
  if (asked.requestedBy === actorId) throw new AppError('SECOND_PERSON_REQUIRED')
  if (asked.state === 'approved' && asked.decidedBy === actorId) {
    return { adjustment: asked, entry: undefined }
  }
  if (asked.state !== 'pending') throw new AppError('CONFLICT')
  const adjustment = await decide(tx, { adjustmentId, actorId, state: 'approved' })
  return { adjustment, entry: await post(tx, asked) }
}

/** Throws NOT_FOUND, and CONFLICT when it was approved. Whoever asked may take it back so. */
export async function rejectAdjustment(
  tx: Transaction,
  { adjustmentId, actorId }: Decision,
): Promise<Adjustment> {
  const asked = await lockAdjustment(tx, adjustmentId)
  if (asked.state === 'rejected') return asked
  if (asked.state === 'approved') throw new AppError('CONFLICT')
  return decide(tx, { adjustmentId, actorId, state: 'rejected' })
}

async function lockAdjustment(tx: Transaction, adjustmentId: string): Promise<Adjustment> {
  const { rows } = await tx.query<Adjustment>(
    sql`SELECT ${columns} FROM credit_adjustments WHERE id = ${adjustmentId} FOR UPDATE`,
  )
  if (!rows[0]) throw new AppError('NOT_FOUND')
  return rows[0]
}

async function decide(
  tx: Transaction,
  { adjustmentId, actorId, state }: Decision & { readonly state: 'approved' | 'rejected' },
): Promise<Adjustment> {
  const { rows } = await tx.query<Adjustment>(sql`
    UPDATE credit_adjustments SET state = ${state}::credit_adjustment_state,
      decided_by = ${actorId}, decided_at = now()
    WHERE id = ${adjustmentId} RETURNING ${columns}
  `)
  if (!rows[0]) throw new AppError('NOT_FOUND')
  return rows[0]
}

async function post(tx: Transaction, asked: Adjustment): Promise<Entry> {
  const { userId, amount, reason, requestedBy, expiresAt } = asked
  const referenceId = `adjustment:${asked.id}`
  const entry = { userId, amount, referenceId, actorId: requestedBy, description: reason }
  if (expiresAt === null) return (await postEntry(tx, { ...entry, type: 'admin_adjust' })).entry
  return (await grantCredits(tx, { ...entry, kind: 'compensation', expiresAt })).entry
}

/** What was asked for, newest first; those that wait alone, if so wished. */
export async function listAdjustments(
  database: Queryable,
  page: PageRequest & { readonly state?: Adjustment['state'] | undefined },
): Promise<PageOf<Adjustment>> {
  const { state, beforeId, limit } = page
  if (beforeId !== undefined && !isId(beforeId)) throw new AppError('INVALID_CURSOR')
  const { rows } = await database.query<Adjustment>(sql`
    SELECT ${columns} FROM credit_adjustments
    WHERE ${state === undefined ? sql`true` : sql`state = ${state}::credit_adjustment_state`}
      ${beforeId === undefined ? empty : sql`AND id < ${beforeId}`}
    ORDER BY id DESC LIMIT ${limit + 1}
  `)
  const items = rows.slice(0, limit)
  return { items, nextCursor: rows.length > limit ? (items.at(-1)?.id ?? null) : null }
}

/** Writes down that an operator looked at a user's credits, before they are shown. */
export async function recordReading(
  database: Queryable,
  reading: {
    readonly actorId: UserId
    readonly userId: UserId
    readonly subject: 'account' | 'transactions'
    readonly requestId: string
  },
): Promise<void> {
  await database.query(sql`
    INSERT INTO credit_readings (id, actor_id, user_id, subject, request_id)
    VALUES (${newId()}, ${reading.actorId}, ${reading.userId}, ${reading.subject},
      ${reading.requestId})
  `)
}
