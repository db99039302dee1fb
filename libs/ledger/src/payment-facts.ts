import type { UserId } from '@funmagic/contract/ids'
import { isId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'
import { lockAccount } from './chain.ts'
import { postEntry } from './entries.ts'
import { paymentColumns, type Payment } from './payments.ts'
import { alignReversal } from './reversals.ts'

/** What an event of a payment provider says, in our words and without anybody's name. */
export type PaymentFact =
  | {
      readonly kind: 'paid'
      readonly paymentId: string
      readonly sessionId: string
      readonly paymentIntentId: string | null
      readonly amountCents: number
      readonly currency: string
    }
  | { readonly kind: 'closed'; readonly paymentId: string; readonly state: 'expired' | 'failed' }
  | {
      readonly kind: 'refunded'
      readonly paymentIntentId: string
      /** All that was refunded until now. */
      readonly refundedCents: number
    }
  | {
      readonly kind: 'disputed'
      readonly paymentIntentId: string
      readonly disputeId: string
      readonly state: 'open' | 'won' | 'lost'
      readonly amountCents: number
    }
  /** Nothing that changes anything here. */
  | { readonly kind: 'nothing' }

/** The event contradicts what was sold: no repetition helps, a person has to look. */
export class PaymentRefused extends Error {
  override readonly name = 'PaymentRefused'
}

export interface Application {
  /** `settled` when it had been applied before. */
  readonly state: 'applied' | 'ignored' | 'waiting' | 'settled' | 'failed'
  /** Whose credits may have changed. */
  readonly userId?: UserId
  readonly payment?: Payment
  readonly error?: unknown
}

interface KeptEvent {
  readonly fact: PaymentFact
  readonly isOpen: boolean
}

const parkedMax = 100

/** Applies the event once. What comes before the payment it is about waits for that payment. */
export async function applyEvent(tx: Transaction, id: string): Promise<Application> {
  const { rows } = await tx.query<KeptEvent>(sql`
    SELECT fact, state IN ('received', 'waiting', 'failed') AS "isOpen"
    FROM payment_events WHERE id = ${id} FOR UPDATE
  `)
  const event = rows[0]
  if (!event?.isOpen) return { state: 'settled' }
  if (event.fact.kind === 'nothing') return close(tx, id, { state: 'ignored' })
  const payment = await lockPayment(tx, event.fact)
  if (payment === undefined) return park(tx, id)
  const changed = await applyFact(tx, payment, event.fact)
  return close(tx, id, { state: 'applied', userId: payment.userId, payment: changed })
}

/** The account is locked before the payment: so does whoever collects a debt. */
async function lockPayment(tx: Transaction, fact: PaymentFact): Promise<Payment | undefined> {
  const found =
    'paymentId' in fact
      ? await findBy(tx, sql`id = ${isId(fact.paymentId) ? fact.paymentId : null}`)
      : 'paymentIntentId' in fact
        ? await findBy(tx, sql`payment_intent_id = ${fact.paymentIntentId} AND state = 'paid'`)
        : undefined
  if (found === undefined) return undefined
  await lockAccount(tx, found.userId)
  return findBy(tx, sql`id = ${found.id} FOR UPDATE`)
}

async function findBy(
  tx: Transaction,
  condition: ReturnType<typeof sql>,
): Promise<Payment | undefined> {
  const { rows } = await tx.query<Payment>(
    sql`SELECT ${paymentColumns} FROM payments WHERE ${condition}`,
  )
  return rows[0]
}

async function park(tx: Transaction, id: string): Promise<Application> {
  await tx.query(sql`
    UPDATE payment_events SET state = 'waiting', attempts = attempts + 1,
      next_attempt_at = CASE WHEN attempts >= 20 THEN NULL
        ELSE now() + least(30 * 2 ^ attempts, 21600) * interval '1 second' END
    WHERE id = ${id}
  `)
  return { state: 'waiting' }
}

async function close(tx: Transaction, id: string, outcome: Application): Promise<Application> {
  await tx.query(sql`
    UPDATE payment_events SET state = ${outcome.state}::payment_event_state,
      payment_id = ${outcome.payment?.id ?? null}, processed_at = now(), next_attempt_at = NULL,
      last_error = NULL
    WHERE id = ${id}
  `)
  return outcome
}

async function applyFact(tx: Transaction, payment: Payment, fact: PaymentFact): Promise<Payment> {
  switch (fact.kind) {
    case 'paid':
      return applyPaid(tx, payment, fact)
    case 'closed':
      return update(
        tx,
        payment,
        sql`state = CASE WHEN state IN ('created', 'open') THEN ${fact.state}::payment_state
          ELSE state END`,
      )
    case 'refunded': {
      const cents = Math.min(payment.amountCents, fact.refundedCents)
      const changes = sql`refunded_cents = greatest(refunded_cents, ${cents})`
      return alignReversal(tx, await update(tx, payment, changes))
    }
    case 'disputed':
      return alignReversal(tx, await applyDispute(tx, payment, fact))
    case 'nothing':
      return payment
  }
}

/** Only what was sold, at the price it was sold at, is credited (C3). */
async function applyPaid(
  tx: Transaction,
  payment: Payment,
  fact: Extract<PaymentFact, { kind: 'paid' }>,
): Promise<Payment> {
  if (payment.state === 'paid') return payment
  const { amountCents, currency, sessionId, paymentIntentId } = fact
  if (amountCents !== payment.amountCents || currency !== payment.currency) {
    const sold = `${payment.amountCents} ${payment.currency}`
    throw new PaymentRefused(`paid ${amountCents} ${currency}, but sold for ${sold}`)
  }
  if (payment.sessionId !== null && payment.sessionId !== sessionId) {
    throw new PaymentRefused('paid in another session than the one that was opened')
  }
  const paid = await update(
    tx,
    payment,
    sql`state = 'paid', paid_at = now(), session_id = ${sessionId},
      payment_intent_id = ${paymentIntentId}`,
  )
  await postEntry(tx, {
    userId: payment.userId,
    type: 'purchase',
    amount: payment.credits,
    referenceId: `payment:${payment.id}`,
    description: payment.packageName,
  })
  return (await applyParked(tx, paymentIntentId)) ?? paid
}

/** Refunds and disputes that were heard of before the payment itself. */
async function applyParked(
  tx: Transaction,
  paymentIntentId: string | null,
): Promise<Payment | undefined> {
  const { rows } = await tx.query<{ id: string }>(sql`
    SELECT id FROM payment_events
    WHERE state = 'waiting' AND payment_intent_id = ${paymentIntentId}
    ORDER BY id LIMIT ${parkedMax}
  `)
  let payment: Payment | undefined
  for (const { id } of rows) payment = (await applyEvent(tx, id)).payment ?? payment
  return payment
}

/** A dispute that is decided stays so, whatever is told late. */
async function applyDispute(
  tx: Transaction,
  payment: Payment,
  fact: Extract<PaymentFact, { kind: 'disputed' }>,
): Promise<Payment> {
  const { disputeId, state, amountCents } = fact
  if (payment.disputeId !== null && payment.disputeId !== disputeId) {
    throw new PaymentRefused('a second dispute over the same payment')
  }
  if (payment.disputeState === 'won' || payment.disputeState === 'lost') return payment
  const cents = Math.min(payment.amountCents, amountCents)
  const changes = sql`dispute_id = ${disputeId}, dispute_state = ${state},
    disputed_cents = ${cents}`
  return update(tx, payment, changes)
}

async function update(
  tx: Transaction,
  payment: Payment,
  changes: ReturnType<typeof sql>,
): Promise<Payment> {
  const { rows } = await tx.query<Payment>(sql`
    UPDATE payments SET ${changes} WHERE id = ${payment.id} RETURNING ${paymentColumns}
  `)
  if (!rows[0]) throw new Error(`there is no payment ${payment.id}`)
  return rows[0]
}
