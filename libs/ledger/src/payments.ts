import { isId, newId, type UserId } from '@funmagic/contract/ids'
import type { PaymentState } from '@funmagic/contract/credit'
import type { PageOf, PageRequest } from '@funmagic/contract/page'
import { AppError } from '@funmagic/contract/problem'
import type { Queryable } from '@funmagic/database/client'
import { empty, sql } from '@funmagic/database/sql'
import type { CreditPackage } from './packages.ts'

/** One purchase, with the price as it was when it was sold (C3). */
export interface Payment {
  readonly id: string
  readonly userId: UserId
  readonly state: PaymentState
  readonly packageId: string
  readonly packageName: string
  readonly credits: number
  readonly amountCents: number
  readonly currency: string
  readonly sessionId: string | null
  readonly paymentIntentId: string | null
  readonly checkoutUrl: string | null
  readonly expiresAt: Date | null
  readonly createdAt: Date
  readonly paidAt: Date | null
  readonly refundedCents: number
  readonly disputeId: string | null
  readonly disputeState: 'open' | 'won' | 'lost' | null
  readonly disputedCents: number
  /** What refunds and the dispute take back, and how much of that was there to take. */
  readonly reversedCredits: number
  readonly recoveredCredits: number
  readonly revision: number
}

export const paymentColumns = sql`
  id, user_id AS "userId", state, package_id AS "packageId", package_name AS "packageName", credits,
  amount_cents AS "amountCents", currency, session_id AS "sessionId",
  payment_intent_id AS "paymentIntentId", checkout_url AS "checkoutUrl",
  expires_at AS "expiresAt", created_at AS "createdAt", paid_at AS "paidAt",
  refunded_cents AS "refundedCents", dispute_id AS "disputeId", dispute_state AS "disputeState",
  disputed_cents AS "disputedCents", reversed_credits AS "reversedCredits",
  recovered_credits AS "recoveredCredits", revision`

/**
 * Writes down what is about to be sold, before the provider hears of it; a repeat under the same
 * key finds the first. Throws IDEMPOTENCY_MISMATCH when the key was used for another package.
 */
export async function startPayment(
  database: Queryable,
  sale: {
    readonly userId: UserId
    readonly creditPackage: CreditPackage
    readonly idempotencyKey?: string | undefined
  },
): Promise<Payment> {
  const { userId, creditPackage, idempotencyKey } = sale
  const { rows } = await database.query<Payment>(sql`
    INSERT INTO payments (id, user_id, provider, package_id, package_name, credits, amount_cents,
      currency, idempotency_key)
    VALUES (${newId()}, ${userId}, 'stripe', ${creditPackage.id}, ${creditPackage.name},
      ${creditPackage.credits}, ${creditPackage.priceCents}, ${creditPackage.currency},
      ${idempotencyKey ?? null})
    ON CONFLICT (user_id, idempotency_key) DO NOTHING
    RETURNING ${paymentColumns}
  `)
  if (rows[0]) return rows[0]
  const earlier = await database.query<Payment>(sql`
    SELECT ${paymentColumns} FROM payments
    WHERE user_id = ${userId} AND idempotency_key = ${idempotencyKey ?? null}
  `)
  const payment = earlier.rows[0]
  if (payment?.packageId !== creditPackage.id) throw new AppError('IDEMPOTENCY_MISMATCH')
  return payment
}

/** Notes the provider's page to pay on. What is paid or closed by then stays so. */
export async function openPayment(
  database: Queryable,
  session: {
    readonly paymentId: string
    readonly sessionId: string
    readonly checkoutUrl: string
    readonly expiresAt: Date
  },
): Promise<Payment> {
  const { rows } = await database.query<Payment>(sql`
    UPDATE payments SET session_id = ${session.sessionId}, checkout_url = ${session.checkoutUrl},
      expires_at = ${session.expiresAt},
      state = CASE state WHEN 'created' THEN 'open' ELSE state END
    WHERE id = ${session.paymentId}
    RETURNING ${paymentColumns}
  `)
  if (!rows[0]) throw new Error(`there is no payment ${session.paymentId}`)
  return rows[0]
}

/**
 * Takes payments of which nothing was heard for a while, so that the provider is asked; another
 * process that does the same takes others.
 */
export async function takeUnsettled(
  database: Queryable,
  options: { readonly quietMs: number; readonly limit: number },
): Promise<Payment[]> {
  const { rows } = await database.query<Payment>(sql`
    WITH quiet AS MATERIALIZED (
      SELECT id FROM payments WHERE state IN ('created', 'open')
        AND checked_at < now() - ${options.quietMs} * interval '1 millisecond'
      ORDER BY checked_at LIMIT ${options.limit} FOR UPDATE SKIP LOCKED
    )
    UPDATE payments SET checked_at = now() WHERE id IN (SELECT id FROM quiet)
    RETURNING ${paymentColumns}
  `)
  return rows
}

/** Gives up payments that never got to the provider, which no longer knows their key by then. */
export async function closeUnopened(
  database: Queryable,
  options: { readonly olderThanMs: number },
): Promise<number> {
  const { rowCount } = await database.query(sql`
    UPDATE payments SET state = 'expired' WHERE state = 'created' AND session_id IS NULL
      AND created_at < now() - ${options.olderThanMs} * interval '1 millisecond'
  `)
  return rowCount ?? 0
}

/** A user's purchases, newest first. Throws INVALID_CURSOR for the id of none of them. */
export async function listPayments(
  database: Queryable,
  userId: UserId,
  { beforeId, limit }: PageRequest,
): Promise<PageOf<Payment>> {
  if (beforeId !== undefined) await requireOwn(database, userId, beforeId)
  const { rows } = await database.query<Payment>(sql`
    SELECT ${paymentColumns} FROM payments
    WHERE user_id = ${userId} ${beforeId === undefined ? empty : sql`AND id < ${beforeId}`}
    ORDER BY id DESC LIMIT ${limit + 1}
  `)
  const items = rows.slice(0, limit)
  return { items, nextCursor: rows.length > limit ? (items.at(-1)?.id ?? null) : null }
}

async function requireOwn(database: Queryable, userId: UserId, paymentId: string): Promise<void> {
  const { rowCount } = isId(paymentId)
    ? await database.query(
        sql`SELECT 1 FROM payments WHERE id = ${paymentId} AND user_id = ${userId}`,
      )
    : { rowCount: 0 }
  if (rowCount === 0) throw new AppError('INVALID_CURSOR')
}
