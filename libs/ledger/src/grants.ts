import { newId, isId, type UserId } from '@funmagic/contract/ids'
import type { CreditGrantKind } from '@funmagic/contract/credit'
import type { PageOf, PageRequest } from '@funmagic/contract/page'
import { AppError } from '@funmagic/contract/problem'
import type { Database, Queryable } from '@funmagic/database/client'
import { empty, sql } from '@funmagic/database/sql'
import { inTransaction, type Transaction } from '@funmagic/database/transaction'
import { insertEntry, lockAccount } from './chain.ts'
import { collectDebt } from './debts.ts'
import { postOnce, type Entry } from './entries.ts'

/** Credits that expire (C6). */
export interface Grant {
  readonly id: string
  readonly userId: UserId
  readonly kind: CreditGrantKind
  readonly referenceId: string
  readonly priority: number
  readonly amount: number
  readonly remaining: number
  readonly expiredAmount: number
  readonly expiresAt: Date
  /** Later than expiresAt when a reservation gave credits back too late to use them. */
  readonly usableUntil: Date
  readonly createdAt: Date
}

export interface NewGrant {
  readonly userId: UserId
  readonly kind: CreditGrantKind
  /** What caused it; one reference is granted once. */
  readonly referenceId: string
  readonly amount: number
  readonly expiresAt: Date
  /** The lowest is spent first; among equals, what expires first. */
  readonly priority?: number | undefined
  readonly actorId?: UserId | undefined
  readonly description?: string | undefined
}

export interface Granting {
  readonly kind: 'granted' | 'replayed'
  readonly grant: Grant
  readonly entry: Entry
}

const priorityDefault = 100
const columns = sql`
  id, user_id AS "userId", kind, reference_id AS "referenceId", priority, amount, remaining,
  expired_amount AS "expiredAmount", expires_at AS "expiresAt", usable_until AS "usableUntil",
  created_at AS "createdAt"`

/**
 * Adds credits that expire, once per reference. Throws like postEntry, and IDEMPOTENCY_MISMATCH
 * also when the reference was used with another end.
 */
export async function grantCredits(tx: Transaction, grant: NewGrant): Promise<Granting> {
  const { userId, referenceId, amount, actorId, description } = grant
  const posting = await postOnce(tx, {
    userId,
    type: 'bonus',
    amount,
    referenceId: `grant:${referenceId}`,
    actorId,
    description,
  })
  if (posting.kind === 'replayed') return replay(tx, grant, posting.entry)
  const { rows } = await tx.query<Grant>(sql`
    WITH account AS (
      UPDATE credits SET granted_balance = granted_balance + ${amount} WHERE user_id = ${userId}
    )
    INSERT INTO credit_grants (id, user_id, kind, reference_id, priority, amount, remaining,
      expires_at, usable_until)
    VALUES (${newId()}, ${userId}, ${grant.kind}::credit_grant_kind, ${referenceId},
      ${grant.priority ?? priorityDefault}, ${amount}, ${amount}, ${grant.expiresAt},
      ${grant.expiresAt})
    RETURNING ${columns}
  `)
  if (!rows[0]) throw new Error('INSERT of a grant returned no row')
  await collectDebt(tx, userId)
  return { kind: 'granted', grant: rows[0], entry: posting.entry }
}

async function replay(tx: Transaction, grant: NewGrant, entry: Entry): Promise<Granting> {
  const { rows } = await tx.query<Grant>(
    sql`SELECT ${columns} FROM credit_grants WHERE reference_id = ${grant.referenceId}`,
  )
  const found = rows[0]
  if (!found || found.expiresAt.getTime() !== grant.expiresAt.getTime()) {
    throw new AppError('IDEMPOTENCY_MISMATCH')
  }
  return { kind: 'replayed', grant: found, entry }
}

/**
 * Takes what is left of grants past their end out of the balance; each grant is a transaction and
 * an entry of its own (R1). Until then such credits can still be spent. Returns the entries.
 */
export async function expireGrants(
  database: Database,
  options: { readonly limit: number },
): Promise<Entry[]> {
  const { rows } = await database.query<{ id: string; userId: UserId }>(sql`
    SELECT id, user_id AS "userId" FROM credit_grants
    WHERE remaining > 0 AND usable_until <= now() ORDER BY usable_until LIMIT ${options.limit}
  `)
  const entries: Entry[] = []
  for (const due of rows) {
    const entry = await inTransaction(database, tx => expireGrant(tx, due))
    if (entry !== undefined) entries.push(entry)
  }
  return entries
}

async function expireGrant(
  tx: Transaction,
  { id, userId }: { readonly id: string; readonly userId: UserId },
): Promise<Entry | undefined> {
  await lockAccount(tx, userId)
  const { rows } = await tx.query<{
    remaining: number
    kind: CreditGrantKind
    expired: number
  }>(sql`
    WITH due AS (
      SELECT id, remaining FROM credit_grants
      WHERE id = ${id} AND remaining > 0 AND usable_until <= now()
    ), account AS (
      UPDATE credits SET granted_balance = granted_balance - (SELECT remaining FROM due)
      WHERE user_id = ${userId} AND EXISTS (SELECT FROM due)
    )
    UPDATE credit_grants g SET remaining = 0, expired_amount = g.expired_amount + due.remaining
    FROM due WHERE g.id = due.id
    RETURNING due.remaining, g.kind, g.expired_amount AS expired
  `)
  const [expired] = rows
  if (!expired) return undefined
  return insertEntry(tx, {
    userId,
    type: 'admin_adjust',
    amount: -expired.remaining,
    // A grant may get credits back and expire again; then more of it has expired.
    referenceId: `expiry:${id}:${expired.expired}`,
    description: `Expired: ${expired.kind}`,
  })
}

/** A user's grants, newest first. Throws INVALID_CURSOR for the id of no grant of this user. */
export async function listGrants(
  database: Queryable,
  userId: UserId,
  page: PageRequest & { readonly isSpendable?: boolean | undefined },
): Promise<PageOf<Grant>> {
  const { beforeId, limit } = page
  if (beforeId !== undefined) await requireOwn(database, userId, beforeId)
  const { rows } = await database.query<Grant>(sql`
    SELECT ${columns} FROM credit_grants
    WHERE user_id = ${userId} ${beforeId === undefined ? empty : sql`AND id < ${beforeId}`}
      ${page.isSpendable === true ? sql`AND remaining > 0` : empty}
    ORDER BY id DESC LIMIT ${limit + 1}
  `)
  const items = rows.slice(0, limit)
  return { items, nextCursor: rows.length > limit ? (items.at(-1)?.id ?? null) : null }
}

async function requireOwn(database: Queryable, userId: UserId, grantId: string): Promise<void> {
  if (!isId(grantId)) throw new AppError('INVALID_CURSOR')
  const { rowCount } = await database.query(
    sql`SELECT 1 FROM credit_grants WHERE id = ${grantId} AND user_id = ${userId}`,
  )
  if (rowCount === 0) throw new AppError('INVALID_CURSOR')
}
