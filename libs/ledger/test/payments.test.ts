import t from 'tap'
import { newId, type UserId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { createTestDatabase } from '@funmagic/database/testing'
import { inTransaction } from '@funmagic/database/transaction'
import { balanceOf } from '../src/accounts.ts'
import { listEntries, postEntry } from '../src/entries.ts'
import { findPackage, savePackage } from '../src/packages.ts'
import {
  findDueEvents,
  keepEvent,
  listEvents,
  processEvent,
  readEvent,
  type PaymentFact,
} from '../src/payment-events.ts'
import {
  closeUnopened,
  listPayments,
  openPayment,
  startPayment,
  takeUnsettled,
  type Payment,
} from '../src/payments.ts'
import { findViolations } from '../src/proof.ts'
import { release } from '../src/reservations.ts'
import { createAccount, reserveCredits } from './account-fixture.ts'

const { database } = await createTestDatabase(t)
const saved = await savePackage(database, {
  name: 'Starter',
  credits: 100,
  priceCents: 499,
  currency: 'usd',
  stripePriceId: null,
  sortOrder: 1,
  isActive: true,
})

async function sell(userId: UserId, idempotencyKey?: string): Promise<Payment> {
  const creditPackage = await findPackage(database, saved.id)
  if (!creditPackage) throw new Error('the package is not on sale')
  return startPayment(database, { userId, creditPackage, idempotencyKey })
}

function paidFact(payment: Payment, change: object = {}): PaymentFact {
  const ids = { paymentId: payment.id, sessionId: `cs_${payment.id}` }
  const paymentIntentId = `pi_${payment.id}`
  return { kind: 'paid', ...ids, paymentIntentId, amountCents: 499, currency: 'usd', ...change }
}

const refundFact = (payment: Payment, refundedCents: number): PaymentFact => ({
  kind: 'refunded',
  paymentIntentId: `pi_${payment.id}`,
  refundedCents,
})

const disputeFact = (payment: Payment, state: 'open' | 'won' | 'lost'): PaymentFact => ({
  kind: 'disputed',
  paymentIntentId: `pi_${payment.id}`,
  disputeId: `dp_${payment.id}`,
  state,
  amountCents: 499,
})

async function tell(fact: PaymentFact, eventId: string = newId()) {
  const { id } = await keepEvent(database, { eventId, type: fact.kind, fact })
  return { id, ...(await processEvent(database, id)) }
}

/** A user who has bought a package. */
async function buyer() {
  const userId = await createAccount(database, 0)
  const payment = await sell(userId)
  await tell(paidFact(payment))
  return { userId, payment }
}

t.test('one event told ten times at once credits once (M13)', async t => {
  const userId = await createAccount(database, 0)
  const payment = await sell(userId)
  const eventId = newId()

  const states = await Promise.all(
    Array.from({ length: 10 }, async () => (await tell(paidFact(payment), eventId)).state),
  )

  t.same(states.toSorted(), ['applied', ...Array<string>(9).fill('settled')])
  t.match(await balanceOf(database, userId), { balance: 100, lifetimePurchased: 100 })
})

t.test('two events that say the same of one payment credit once', async t => {
  const { userId, payment } = await buyer()

  t.match(await tell(paidFact(payment)), { state: 'applied' })

  t.match(await balanceOf(database, userId), { balance: 100 })
})

t.test('another amount, currency or session than sold credits nothing and waits', async t => {
  const userId = await createAccount(database, 0)
  const payment = await sell(userId)
  const session = { paymentId: payment.id, sessionId: `cs_${payment.id}`, checkoutUrl: 'http://x' }
  await openPayment(database, { ...session, expiresAt: new Date() })

  for (const change of [{ amountCents: 1 }, { currency: 'eur' }, { sessionId: 'cs_other' }]) {
    const { id, state } = await tell(paidFact(payment, change))
    t.equal(state, 'failed')
    t.match(await readEvent(database, id), { state: 'failed', nextAttemptAt: null })
  }

  t.match(await balanceOf(database, userId), { balance: 0 })
})

t.test('a refund that is heard of before the payment is applied with it', async t => {
  const userId = await createAccount(database, 0)
  const payment = await sell(userId)
  t.match(await tell(refundFact(payment, 499)), { state: 'waiting' })

  t.match(await tell(paidFact(payment)), { payment: { reversedCredits: 100 } })

  t.match(await balanceOf(database, userId), { balance: 0, lifetimePurchased: 0 })
})

t.test('a part of the money takes a part of the credits, and a lower sum nothing more', async t => {
  const { userId, payment } = await buyer()

  await tell(refundFact(payment, 250))
  await tell(refundFact(payment, 100))

  t.match(await balanceOf(database, userId), { balance: 50, lifetimePurchased: 50 })
})

t.test('spent credits of a refund are a debt that whatever comes in pays first', async t => {
  const { userId, payment } = await buyer()
  const reservationId = await reserveCredits(database, userId, 70)

  await tell(refundFact(payment, 499))
  t.match(await balanceOf(database, userId), { balance: 0, lifetimePurchased: 0 })
  await t.rejects(reserveCredits(database, userId, 1), { code: 'INSUFFICIENT_CREDITS' })
  await inTransaction(database, tx => release(tx, reservationId))
  t.match(await balanceOf(database, userId), { balance: 0, reservedBalance: 0 })
  await inTransaction(database, tx =>
    postEntry(tx, { userId, type: 'bonus', amount: 5, referenceId: newId() }),
  )

  t.match(await balanceOf(database, userId), { balance: 5 })
  const { items } = await listPayments(database, userId, { limit: 1, beforeId: undefined })
  t.match(items, [{ reversedCredits: 100, recoveredCredits: 100 }])
})

t.test('a dispute takes the credits at once, and one that is won gives them back', async t => {
  const { userId, payment } = await buyer()
  await reserveCredits(database, userId, 30)

  await tell(disputeFact(payment, 'open'))
  t.match(await balanceOf(database, userId), { balance: 0, lifetimePurchased: 0 })
  await tell(disputeFact(payment, 'won'))
  await tell(disputeFact(payment, 'open'))

  t.match(await balanceOf(database, userId), { balance: 70, lifetimePurchased: 100 })
  const { items } = await listEntries(database, userId, { limit: 1, beforeId: undefined })
  t.match(items, [{ type: 'refund', amount: 70 }])
})

t.test('a dispute that is lost leaves the credits taken, also when refunded as well', async t => {
  const { userId, payment } = await buyer()

  await tell(disputeFact(payment, 'lost'))
  await tell(refundFact(payment, 499))

  t.match(await balanceOf(database, userId), { balance: 0, lifetimePurchased: 0 })
})

t.test('what never happened to a payment waits, and what says nothing is ignored', async t => {
  const unknown = await tell(refundFact({ ...(await buyer()).payment, id: newId() }, 1))
  const nothing = await tell({ kind: 'nothing' })

  t.equal(unknown.state, 'waiting')
  t.equal(nothing.state, 'ignored')
  await database.query(sql`UPDATE payment_events SET next_attempt_at = now()
    WHERE id = ${unknown.id}`)
  t.same(await findDueEvents(database, { limit: 5 }), [unknown.id])
  const { items } = await listEvents(database, { limit: 1, beforeId: undefined, state: 'waiting' })
  t.match(items, [{ id: unknown.id, state: 'waiting' }])
})

t.test('a failed or expired payment that is paid after all is credited', async t => {
  const userId = await createAccount(database, 0)
  const payment = await sell(userId)
  const closed: PaymentFact = { kind: 'closed', paymentId: payment.id, state: 'expired' }

  t.match(await tell(closed), { payment: { state: 'expired' } })
  t.match(await tell(paidFact(payment)), { payment: { state: 'paid' } })
  t.match(await tell(closed), { payment: { state: 'paid' } })

  t.match(await balanceOf(database, userId), { balance: 100 })
})

t.test('one key starts one payment, and not for another package', async t => {
  const userId = await createAccount(database, 0)
  const ids = await Promise.all(Array.from({ length: 8 }, async () => (await sell(userId, 'k')).id))

  t.equal(new Set(ids).size, 1)
  const other = { ...saved, id: newId() }
  const again = startPayment(database, { userId, creditPackage: other, idempotencyKey: 'k' })
  await t.rejects(again, { code: 'IDEMPOTENCY_MISMATCH' })
})

t.test('payments of which nothing is heard are taken by one process each', async t => {
  const userId = await createAccount(database, 0)
  const payment = await sell(userId)
  await database.query(sql`UPDATE payments SET checked_at = now() - interval '1 hour',
    created_at = now() - interval '3 days' WHERE id = ${payment.id}`)

  const takes = await Promise.all(
    [1, 2].map(() => takeUnsettled(database, { quietMs: 60_000, limit: 9 })),
  )

  const taken = takes.flat().filter(({ id }) => id === payment.id)
  t.equal(taken.length, 1)
  t.equal(await closeUnopened(database, { olderThanMs: 86_400_000 }), 1)
})

t.test('the books are right afterwards', async t => {
  t.same(await findViolations(database), [])
})
