import assert from 'node:assert/strict'
import type { CreditTransactionType } from '@funmagic/contract/credit'
import { isId, type UserId } from '@funmagic/contract/ids'
import type { PageOf, PageRequest } from '@funmagic/contract/page'
import { AppError } from '@funmagic/contract/problem'
import type { Queryable } from '@funmagic/database/client'
import { empty, sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'
import { insertEntry, lockAccount } from './chain.ts'
import { assertCredits } from './credits.ts'
import { collectDebt } from './debts.ts'
import { entryColumns, type Entry, type NewEntry } from './entry-rows.ts'
import { trimGrants } from './grant-draws.ts'

export type { Entry, NewEntry } from './entry-rows.ts'

export type Posting =
  | { readonly kind: 'posted'; readonly entry: Entry }
  | { readonly kind: 'replayed'; readonly entry: Entry }

/**
 * Adds to the balance, or takes from it, once per (type, referenceId): a repeat returns the first
 * entry. What is added first pays a debt of refunded purchases. Throws NOT_FOUND without an
 * account, INSUFFICIENT_CREDITS below zero, and IDEMPOTENCY_MISMATCH when the reference was used
 * for another user or amount.
 */
export async function postEntry(tx: Transaction, entry: NewEntry): Promise<Posting> {
  const posting = await postOnce(tx, entry)
  if (posting.kind === 'posted' && entry.amount > 0) await collectDebt(tx, entry.userId)
  return posting
}

/** postEntry without the debt, for what has more to write first. */
export async function postOnce(tx: Transaction, entry: NewEntry): Promise<Posting> {
  assertCredits(entry.type === 'admin_adjust' ? Math.abs(entry.amount) : entry.amount)
  await lockAccount(tx, entry.userId)
  const earlier = await findByReference(tx, entry)
  if (earlier) return replay(earlier, entry)
  const posted = await insertEntry(tx, entry)
  if (!posted) throw new AppError('INSUFFICIENT_CREDITS')
  if (entry.amount < 0) await trimGrants(tx, entry.userId)
  return { kind: 'posted', entry: posted }
}

async function findByReference(tx: Transaction, entry: NewEntry): Promise<Entry | undefined> {
  const { rows } = await tx.query<Entry>(sql`
    SELECT ${entryColumns} FROM credit_transactions
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

/**
 * A user's history, newest first; nextCursor is the id to pass as beforeId. Throws
 * INVALID_CURSOR for the id of no entry of this user.
 */
export async function listEntries(
  database: Queryable,
  userId: UserId,
  page: PageRequest & { readonly type?: CreditTransactionType | undefined },
): Promise<PageOf<Entry>> {
  assert(page.limit >= 1, 'a page has at least one line')
  const before =
    page.beforeId === undefined ? undefined : await seqOf(database, userId, page.beforeId)
  // Ids are made before the account is locked, so seq and not id is the order of the chain.
  const { rows } = await database.query<Entry>(sql`
    SELECT ${entryColumns} FROM (${describedEntries}) entry
    WHERE user_id = ${userId} ${before === undefined ? empty : sql`AND seq < ${before}`}
      ${page.type === undefined ? empty : sql`AND type = ${page.type}::credit_transaction_type`}
    ORDER BY seq DESC LIMIT ${page.limit + 1}
  `)
  const items = rows.slice(0, page.limit)
  const hasMore = rows.length > page.limit
  return { items, nextCursor: hasMore ? (items.at(-1)?.id ?? null) : null }
}

/** What a reservation was for is also what was spent or given back. */
const describedEntries = sql`
  SELECT t.id, t.user_id, t.seq, t.type, t.amount, t.balance_after, t.reserved_after,
    t.reference_id, t.reservation_id, t.actor_id, t.created_at,
    coalesce(t.description, (SELECT r.description FROM credit_transactions r
      WHERE r.reservation_id = t.reservation_id AND r.type = 'reservation')) AS description
  FROM credit_transactions t`

async function seqOf(database: Queryable, userId: UserId, entryId: string): Promise<number> {
  if (!isId(entryId)) throw new AppError('INVALID_CURSOR')
  const { rows } = await database.query<{ seq: number }>(
    sql`SELECT seq FROM credit_transactions WHERE id = ${entryId} AND user_id = ${userId}`,
  )
  if (!rows[0]) throw new AppError('INVALID_CURSOR')
  return rows[0].seq
}
