import t from 'tap'
import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { balanceOf } from '@funmagic/ledger/accounts'
import { findViolations } from '@funmagic/ledger/proof'
import { signatureOf } from '@funmagic/simulators/stripe'
import { sweepCredits } from '../src/jobs/sweep-credits.ts'
import { openCreditApp } from './credit-app.ts'
import { openShop, webhookSecret } from './shop.ts'

const shop = await openShop(t)
const { app, database, addUser, addBuyer, post } = shop
const operator = await addUser({ role: 'super_admin' })

/** What Stripe says when the session is paid, changed as told. */
function paidEvent(
  buyer: { paymentId: string; sessionId: string },
  change: { id?: string; session?: object; type?: string } = {},
): string {
  const object = {
    id: buyer.sessionId,
    object: 'checkout.session',
    status: 'complete',
    payment_status: 'paid',
    amount_total: 499,
    currency: 'usd',
    client_reference_id: buyer.paymentId,
    payment_intent: `pi_${buyer.paymentId}`,
    customer_details: { email: 'ada@example.com', name: 'Ada' },
    ...change.session,
  }
  const type = change.type ?? 'checkout.session.completed'
  const event = { id: change.id ?? `evt_${newId()}`, object: 'event', type, data: { object } }
  return JSON.stringify(event)
}

const now = () => Math.floor(Date.now() / 1000)

t.test('a signed event is credited, and nothing personal is kept of it', async t => {
  const buyer = await addBuyer()

  const reply = await post(paidEvent(buyer))

  t.equal(reply.statusCode, 200)
  t.match(await balanceOf(database, buyer.userId), { balance: 100 })
  const { rows } = await database.query<{ fact: string }>(
    sql`SELECT fact::text AS fact FROM payment_events WHERE payment_id = ${buyer.paymentId}`,
  )
  t.equal(rows.length, 1)
  t.notMatch(rows[0]?.fact, /Ada|ada@/)
})

t.test('what is not signed so, or not now, is refused and not kept', async t => {
  const buyer = await addBuyer()
  const body = paidEvent(buyer)
  const sign = (seconds: number, secret = webhookSecret, of = body) =>
    post(body, { 'stripe-signature': signatureOf(of, secret, seconds) })
  const before = await countEvents()

  const refused = [
    await post(body, { 'stripe-signature': undefined }),
    await post(body, { 'stripe-signature': '' }),
    await post(body, { 'stripe-signature': 'v1=00' }),
    await sign(now(), 'whsec_other'),
    await sign(now(), webhookSecret, `${body} `),
    await sign(now() - 360),
    await post(body, { 'stripe-signature': undefined, cookie: operator.cookie }),
  ]

  t.same([...new Set(refused.map(reply => reply.statusCode))], [401])
  t.same([...new Set(refused.map(reply => reply.json().error.code))], ['SIGNATURE_INVALID'])
  t.equal(await countEvents(), before)
  t.match(await balanceOf(database, buyer.userId), { balance: 0 })
  t.equal((await sign(now() - 240)).statusCode, 200)
})

async function countEvents(): Promise<number> {
  const { rows } = await database.query<{ count: number }>(
    sql`SELECT count(*) AS count FROM payment_events`,
  )
  return rows[0]?.count ?? 0
}

t.test('odd bodies get a 4xx and never a 5xx', async t => {
  const large = JSON.stringify({ id: 'evt', pad: 'x'.repeat(600_000) })

  t.equal((await post('{"id":')).json().error.code, 'INVALID_JSON')
  t.equal((await post(large)).statusCode, 413)
  t.equal((await post('{}', { 'content-type': 'text/plain' })).statusCode, 415)
  t.equal((await post('')).json().error.code, 'INVALID_JSON')
  const wrong = await app.inject({ method: 'GET', url: '/api/credits/webhooks/stripe' })
  t.equal(wrong.statusCode, 405)
})

t.test('the same event ten times at once has one effect', async t => {
  const buyer = await addBuyer()
  const body = paidEvent(buyer)

  const replies = await Promise.all(Array.from({ length: 10 }, () => post(body)))

  t.same([...new Set(replies.map(reply => reply.statusCode))], [200])
  t.match(await balanceOf(database, buyer.userId), { balance: 100 })
})

t.test('events that say nothing to us are kept and ignored', async t => {
  const buyer = await addBuyer()

  const unknown = await post(paidEvent(buyer, { type: 'invoice.created' }))
  const unpaid = await post(paidEvent(buyer, { session: { payment_status: 'unpaid' } }))
  const foreign = await post(paidEvent(buyer, { session: { client_reference_id: null } }))

  t.same(
    [unknown, unpaid, foreign].map(reply => reply.statusCode),
    [200, 200, 200],
  )
  t.match(await balanceOf(database, buyer.userId), { balance: 0 })
})

function admin(method: 'GET' | 'POST', path: string, cookie = operator.cookie) {
  return app.inject({
    method,
    url: `/api/admin/credits/payment-events${path}`,
    headers: { cookie },
  })
}

t.test('another amount than sold is kept for a person, who can try again', async t => {
  const buyer = await addBuyer()
  await post(paidEvent(buyer, { session: { amount_total: 1 } }))
  t.match(await balanceOf(database, buyer.userId), { balance: 0 })

  const { items } = (await admin('GET', '?status=failed&limit=1')).json()
  t.match(items, [{ status: 'failed', lastError: 'paid 1 usd, but sold for 499 usd' }])
  const path = `/${items[0].id}/retry`
  t.match((await admin('POST', path)).json(), { event: { status: 'failed', attempts: 2 } })
  // The person has found that the sale was written down wrongly.
  await database.query(sql`UPDATE payments SET amount_cents = 1 WHERE id = ${buyer.paymentId}`)
  t.match((await admin('POST', path)).json(), { event: { status: 'applied', lastError: null } })
  t.match((await admin('POST', path)).json(), { event: { status: 'applied' } })

  t.match(await balanceOf(database, buyer.userId), { balance: 100 })
})

t.test('only a super admin sees the inbox', async t => {
  const user = await addUser()
  const plain = await addUser({ role: 'admin' })
  const path = `/${newId()}/retry`

  t.same((await admin('GET', '', '')).statusCode, 401)
  t.same((await admin('GET', '', user.cookie)).statusCode, 403)
  t.same((await admin('GET', '', plain.cookie)).statusCode, 403)
  t.same((await admin('POST', path, plain.cookie)).statusCode, 403)
  t.same((await admin('POST', path)).statusCode, 404)
  t.same((await admin('POST', '/x/retry')).statusCode, 400)
})

t.test('an event that was kept by a process that died then is applied (C1)', async t => {
  const buyer = await addBuyer()
  const fact = {
    kind: 'paid',
    paymentId: buyer.paymentId,
    sessionId: buyer.sessionId,
    paymentIntentId: 'pi_died',
    amountCents: 499,
    currency: 'usd',
  }
  await database.query(sql`
    INSERT INTO payment_events (id, provider, event_id, type, fact, next_attempt_at)
    VALUES (${newId()}, 'stripe', 'evt_died', 'x', ${JSON.stringify(fact)}::jsonb, now())
  `)

  await Promise.all([sweepCredits(shop), sweepCredits(shop)])

  t.match(await balanceOf(database, buyer.userId), { balance: 100 })
})

t.test('without keys nothing can be bought and nothing comes in', async t => {
  const closed = await openCreditApp(t)
  const { cookie } = await closed.addUser()

  const checkout = await closed.app.inject({
    method: 'POST',
    url: '/api/credits/checkout',
    headers: { cookie },
    payload: { packageId: newId() },
  })
  const webhook = await closed.app.inject({
    method: 'POST',
    url: '/api/credits/webhooks/stripe',
    payload: {},
  })

  t.same([checkout.statusCode, webhook.statusCode], [503, 503])
  t.equal(checkout.json().error.code, 'PAYMENTS_UNAVAILABLE')
})

t.test('after all this the books are right', async t => {
  t.same(await findViolations(database), [])
})
