import assert from 'node:assert/strict'
import type { CreditTransactionType } from '@funmagic/contract/credit'
import { isId, newId, type ReservationId, type UserId } from '@funmagic/contract/ids'
import type { PageOf, PageRequest } from '@funmagic/contract/page'
import { AppError } from '@funmagic/contract/problem'
import type { Queryable } from '@funmagic/database/client'
import { empty, sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'
import { assertCredits } from './credits.ts'

/** One line of an account's history. Lines are never changed or removed (M4). */
export interface Entry {
  readonly id: string
  readonly userId: UserId
  /** Dense per user, from 1. */
  readonly seq: number
  readonly type: CreditTransactionType
  readonly amount: number
  readonly balanceAfter: number
  readonly reservedAfter: number
  readonly referenceId: string | null
  readonly reservationId: ReservationId | null
  readonly actorId: UserId | null
  readonly description: string | null
  readonly createdAt: Date
}

export interface NewEntry {
  readonly userId: UserId
  readonly type: 'purchase' | 'bonus' | 'refund' | 'admin_adjust'
  /** Positive; an admin_adjust may be negative. */
  readonly amount: number
  /** What caused it. One (type, referenceId) is posted once. */
  readonly referenceId: string
  /** The operator, for an admin_adjust. */
  readonly actorId?: UserId | undefined
  readonly description?: string | undefined
}

export type Posting =
  | { readonly kind: 'posted'; readonly entry: Entry }
  | { readonly kind: 'replayed'; readonly entry: Entry }

const columns = sql`
  id, user_id AS "userId", seq, type, amount, balance_after AS "balanceAfter",
  reserved_after AS "reservedAfter", reference_id AS "referenceId",
  reservation_id AS "reservationId", actor_id AS "actorId", description,
  created_at AS "createdAt"`

/**
 * Adds to the balance, or takes from it, once per (type, referenceId): a repeat returns the first
 * entry. Throws NOT_FOUND without an account, INSUFFICIENT_CREDITS below zero, and
 * IDEMPOTENCY_MISMATCH when the reference was used for another user or amount.
 */
export async function postEntry(tx: Transaction, entry: NewEntry): Promise<Posting> {
  assertCredits(entry.type === 'admin_adjust' ? Math.abs(entry.amount) : entry.amount)
  await lockAccount(tx, entry.userId)
  const earlier = await findByReference(tx, entry)
  if (earlier) return replay(earlier, entry)
  const posted = await insertEntry(tx, entry)
  if (!posted) throw new AppError('INSUFFICIENT_CREDITS')
  return { kind: 'posted', entry: posted }
}

/** Repeats of one posting queue up here, so that each sees what the one before it wrote. */
async function lockAccount(tx: Transaction, userId: UserId): Promise<void> {
  const { rowCount } = await tx.query(
    sql`SELECT 1 FROM credits WHERE user_id = ${userId} FOR UPDATE`,
  )
  if (rowCount === 0) throw new AppError('NOT_FOUND')
}

async function findByReference(tx: Transaction, entry: NewEntry): Promise<Entry | undefined> {
  const { rows } = await tx.query<Entry>(sql`
    SELECT ${columns} FROM credit_transactions
    WHERE type = ${entry.type}::credit_transaction_type AND reference_id = ${entry.referenceId}
  `)
  return rows[0]
}

function replay(earlier: Entry, entry: NewEntry): Posting {
  if (earlier.userId !== entry.userId || earlier.amount !== entry.amount) {
    throw new AppError('IDEMPOTENCY_MISMATCH')
  }
  return { kind: 'replayed', entry: earlier }
}

/** Undefined when the balance would go below zero; then nothing is written. */
async function insertEntry(tx: Transaction, entry: NewEntry): Promise<Entry | undefined> {
  const purchased = entry.type === 'purchase' ? entry.amount : 0
  const earned = entry.type === 'purchase' ? 0 : Math.max(entry.amount, 0)
  const { rows } = await tx.query<Entry>(sql`
    WITH account AS (
      UPDATE credits SET balance = balance + ${entry.amount}, entry_seq = entry_seq + 1,
        lifetime_purchased = lifetime_purchased + ${purchased},
        lifetime_earned = lifetime_earned + ${earned}, updated_at = now()
      WHERE user_id = ${entry.userId} AND balance + ${entry.amount} >= 0
      RETURNING user_id, entry_seq, balance, reserved_balance
    )
    INSERT INTO credit_transactions (id, user_id, seq, type, amount, available_delta,
      reserved_delta, balance_after, reserved_after, reference_id, actor_id, description)
    SELECT ${newId()}, user_id, entry_seq, ${entry.type}::credit_transaction_type,
      ${entry.amount}, ${entry.amount}, 0, balance, reserved_balance, ${entry.referenceId},
      ${entry.actorId ?? null}, ${entry.description ?? null}
    FROM account
    RETURNING ${columns}
  `)
  return rows[0]
}

/**
 * A user's history, newest first; nextCursor is the id to pass as beforeId. Throws
 * INVALID_CURSOR for the id of no entry of this user.
 */
export async function listEntries(
  database: Queryable,
  userId: UserId,
  page: PageRequest,
): Promise<PageOf<Entry>> {
  assert(page.limit >= 1, 'a page has at least one line')
  const before =
    page.beforeId === undefined ? undefined : await seqOf(database, userId, page.beforeId)
  // Ids are made before the account is locked, so seq and not id is the order of the chain.
  const { rows } = await database.query<Entry>(sql`
    SELECT ${columns} FROM credit_transactions
    WHERE user_id = ${userId} ${before === undefined ? empty : sql`AND seq < ${before}`}
    ORDER BY seq DESC LIMIT ${page.limit + 1}
  `)
  const items = rows.slice(0, page.limit)
  const hasMore = rows.length > page.limit
  return { items, nextCursor: hasMore ? (items.at(-1)?.id ?? null) : null }
}

async function seqOf(database: Queryable, userId: UserId, entryId: string): Promise<number> {
  if (!isId(entryId)) throw new AppError('INVALID_CURSOR')
  const { rows } = await database.query<{ seq: number }>(
    sql`SELECT seq FROM credit_transactions WHERE id = ${entryId} AND user_id = ${userId}`,
  )
  if (!rows[0]) throw new AppError('INVALID_CURSOR')
  return rows[0].seq
}
