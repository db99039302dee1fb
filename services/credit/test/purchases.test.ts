import t from 'tap'
import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import { balanceOf } from '@funmagic/ledger/accounts'
import { savePackage } from '@funmagic/ledger/packages'
import { findViolations } from '@funmagic/ledger/proof'
import { reserve } from '@funmagic/ledger/reservations'
import { createRateLimits } from '@funmagic/session/rate-limits'
import { sweepCredits } from '../src/jobs/sweep-credits.ts'
import { until } from './credit-app.ts'
import { openShop } from './shop.ts'

const shop = await openShop(t)
const { app, database, redis, stripe, client, checkout, addUser, addBuyer } = shop
const sweeping = { ...shop, quietMs: 0 }

t.test('a person buys credits: checkout, the page of Stripe, credits, history', async t => {
  const { cookie, user } = await addUser()

  const begun = await checkout(cookie)
  t.equal(begun.statusCode, 201)
  t.match(begun.json(), { payment: { status: 'open', credits: 100, amountCents: 499 } })
  const paid = await fetch(begun.json().checkoutUrl, { method: 'POST', redirect: 'manual' })
  t.equal(paid.headers.get('location'), 'http://web/thanks')

  await until(async () => (await balanceOf(database, user.id)).balance === 100)
  const own = await app.inject({ url: '/api/credits/payments', headers: { cookie } })
  t.match(own.json(), { items: [{ status: 'paid', packageName: 'Starter' }], nextCursor: null })
  const url = '/api/credits/transactions?type=purchase'
  const history = await app.inject({ url, headers: { cookie } })
  t.match(history.json().items, [{ type: 'purchase', amount: 100, description: 'Starter' }])
})

t.test('a repeat under one key opens one page, and none for another package', async t => {
  const { cookie } = await addUser()
  const other = await savePackage(database, {
    name: 'Old',
    credits: 5,
    priceCents: 50,
    currency: 'usd',
    stripePriceId: null,
    sortOrder: 9,
    isActive: true,
  })

  const replies = await Promise.all(
    Array.from({ length: 5 }, () => checkout(cookie, undefined, 'once')),
  )

  t.same([...new Set(replies.map(reply => reply.statusCode))], [201])
  t.equal(new Set(replies.map(reply => reply.json().checkoutUrl)).size, 1)
  const mismatch = await checkout(cookie, { packageId: other.id }, 'once')
  t.equal(mismatch.json().error.code, 'IDEMPOTENCY_MISMATCH')
})

t.test('what cannot be bought is refused, and without a session nothing is', async t => {
  const { cookie } = await addUser()
  const inactive = await savePackage(database, {
    name: 'Gone',
    credits: 5,
    priceCents: 50,
    currency: 'usd',
    stripePriceId: null,
    sortOrder: 9,
    isActive: false,
  })
  const rows: [unknown, number, string][] = [
    [{ packageId: newId() }, 404, 'NOT_FOUND'],
    [{ packageId: inactive.id }, 404, 'NOT_FOUND'],
    [{ packageId: 'x' }, 400, 'VALIDATION_FAILED'],
    [{}, 400, 'VALIDATION_FAILED'],
    [{ packageId: inactive.id, successUrl: 'http://evil' }, 400, 'VALIDATION_FAILED'],
    [{ packageId: inactive.id, amountCents: 1 }, 400, 'VALIDATION_FAILED'],
  ]

  for (const [body, status, code] of rows) {
    const reply = await checkout(cookie, body)
    t.equal(reply.statusCode, status)
    t.equal(reply.json().error.code, code)
  }
  t.equal((await checkout('')).statusCode, 401)
})

t.test('an event that comes ten times at once credits once', async t => {
  const buyer = await addBuyer()
  stripe.script({ mode: 'duplicate', copies: 10, times: 1 })

  stripe.pay(buyer.sessionId)

  await until(async () => stripe.deliveries().filter(({ status }) => status === 200).length >= 10)
  await buyer.holds({ balance: 100, lifetimePurchased: 100 })
  t.match(await balanceOf(database, buyer.userId), { balance: 100 })
})

t.test('a delayed payment is credited when it succeeds, and not when it fails', async t => {
  const [good, bad] = [await addBuyer(), await addBuyer()]
  stripe.pay(good.sessionId, 'delayed')
  stripe.pay(bad.sessionId, 'delayed')
  t.match(await balanceOf(database, good.userId), { balance: 0 })

  stripe.conclude(good.sessionId, true)
  stripe.conclude(bad.sessionId, false)

  await good.holds({ balance: 100, lifetimePurchased: 100 })
  await until(async () => (await stateOf(bad.paymentId)) === 'failed')
  t.match(await balanceOf(database, bad.userId), { balance: 0 })
})

async function stateOf(paymentId: string): Promise<string | undefined> {
  const { rows } = await database.query<{ state: string }>(
    sql`SELECT state FROM payments WHERE id = ${paymentId}`,
  )
  return rows[0]?.state
}

t.test('a refund that overtakes the payment leaves nothing', async t => {
  const buyer = await addBuyer()
  stripe.script({ mode: 'delay', delayMs: 300, times: 1 })

  stripe.pay(buyer.sessionId)
  await client.refunds.create({ payment_intent: await buyer.intent() })

  await until(async () => (await stateOf(buyer.paymentId)) === 'paid')
  t.match(await balanceOf(database, buyer.userId), { balance: 0, lifetimePurchased: 0 })
})

t.test('a refund lowers the tier in the next request (TR15)', async t => {
  const buyer = await addBuyer()
  const limits = createRateLimits({
    database,
    redis,
    profile: 'production',
    lifetimePurchasedOf: async id => (await balanceOf(database, id)).lifetimePurchased,
  })
  const limit = async () => (await limits.checkUser(['userApi'], buyer.userId))[0]?.limit
  t.equal(await limit(), 60)

  stripe.pay(buyer.sessionId)
  await until(async () => (await limit()) === 90)
  await client.refunds.create({ payment_intent: await buyer.intent(), amount: 5 })
  await until(async () => (await limit()) === 60)

  t.match(await balanceOf(database, buyer.userId), { balance: 99, lifetimePurchased: 99 })
})

t.test('a chargeback of spent credits is a debt that blocks the next task', async t => {
  const buyer = await addBuyer()
  stripe.pay(buyer.sessionId)
  await buyer.holds({ balance: 100, lifetimePurchased: 100 })
  const hold = { userId: buyer.userId, referenceId: newId(), deadlineAt: new Date(2e12) }
  await inTransaction(database, tx => reserve(tx, { ...hold, amount: 60 }))

  const disputeId = stripe.dispute(await buyer.intent())
  await buyer.holds({ balance: 0, lifetimePurchased: 0 })
  const next = { ...hold, referenceId: newId(), amount: 1 }
  await t.rejects(
    inTransaction(database, tx => reserve(tx, next)),
    { code: 'INSUFFICIENT_CREDITS' },
  )
  const { cookie } = buyer
  const own = await app.inject({ url: '/api/credits/payments', headers: { cookie } })
  t.match(own.json().items, [{ reversedCredits: 100, owedCredits: 60 }])

  stripe.closeDispute(disputeId, 'won')
  await buyer.holds({ balance: 40, lifetimePurchased: 100 })
})

t.test('a payment whose webhook was lost is found by asking', async t => {
  const [paid, expired] = [await addBuyer(), await addBuyer()]
  stripe.script({ mode: 'drop', times: 2 })
  stripe.pay(paid.sessionId)
  stripe.expire(expired.sessionId)

  await Promise.all([sweepCredits(sweeping), sweepCredits(sweeping)])

  await paid.holds({ balance: 100, lifetimePurchased: 100 })
  t.equal(await stateOf(expired.paymentId), 'expired')
})

t.test('after all this the books are right', async t => {
  t.same(await findViolations(database), [])
})
