import { createServer } from 'node:http'
import Stripe from 'stripe'
import t, { type Test } from 'tap'
import { closeServer, listen } from '../src/listening.ts'
import { startStripe, type StripeOptions } from '../src/stripe/stripe.ts'

const secret = 'whsec_test'

async function open(t: Test, options: StripeOptions = {}) {
  const simulator = await startStripe(options)
  t.teardown(() => simulator[Symbol.asyncDispose]())
  const client = new Stripe('sk_test_1', {
    ...simulator.client,
    maxNetworkRetries: 0,
    telemetry: false,
  })
  return { simulator, client }
}

/** Receives webhooks as a server of ours would, with the official check of their signature. */
async function openReceiver(t: Test, answer: (count: number) => number = () => 200) {
  const received: Stripe.Event[] = []
  let waiters: (() => void)[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const signature = String(request.headers['stripe-signature'])
      received.push(Stripe.webhooks.constructEvent(Buffer.concat(chunks), signature, secret, 300))
      response.writeHead(answer(received.length)).end()
      for (const wake of waiters) wake()
      waiters = []
    })
  })
  const url = await listen(server, {})
  t.teardown(() => closeServer(server, 0))
  const until = async (count: number) => {
    while (received.length < count) await new Promise<void>(resolve => waiters.push(resolve))
    return received
  }
  return { webhook: { url, secret }, until }
}

const sale = {
  mode: 'payment',
  client_reference_id: 'payment-1',
  success_url: 'http://shop/thanks?session={CHECKOUT_SESSION_ID}',
  cancel_url: 'http://shop/back',
  line_items: [
    {
      quantity: 1,
      price_data: { currency: 'usd', unit_amount: 499, product_data: { name: 'Starter' } },
    },
  ],
} satisfies Stripe.Checkout.SessionCreateParams

t.test('a session is created, shown and paid with the button of its page', async t => {
  const { webhook, until } = await openReceiver(t)
  const { client } = await open(t, { webhook })

  const session = await client.checkout.sessions.create(sale)
  t.match(session, { status: 'open', payment_status: 'unpaid', amount_total: 499 })
  const page = await fetch(session.url ?? '')
  t.match(await page.text(), /Pay 4\.99 USD/)
  const paid = await fetch(session.url ?? '', { method: 'POST', redirect: 'manual' })

  t.equal(paid.status, 303)
  t.equal(paid.headers.get('location'), `http://shop/thanks?session=${session.id}`)
  t.match(await client.checkout.sessions.retrieve(session.id), { payment_status: 'paid' })
  const [event] = await until(1)
  t.match(event, {
    type: 'checkout.session.completed',
    data: { object: { client_reference_id: 'payment-1', payment_status: 'paid' } },
  })
})

t.test('an Idempotency-Key answers as the first time, and refuses other values', async t => {
  const { client } = await open(t)
  const options = { idempotencyKey: 'k' }

  const first = await client.checkout.sessions.create(sale, options)
  const again = await client.checkout.sessions.create(sale, options)

  t.equal(first.id, again.id)
  const other = client.checkout.sessions.create({ ...sale, client_reference_id: 'b' }, options)
  await t.rejects(other, { message: /same parameters/ })
})

t.test('a delayed payment completes unpaid and is decided later', async t => {
  const { webhook, until } = await openReceiver(t)
  const { simulator, client } = await open(t, { webhook })
  const paid = await client.checkout.sessions.create(sale)
  const failed = await client.checkout.sessions.create(sale)

  simulator.pay(paid.id, 'delayed')
  await until(1)
  simulator.conclude(paid.id, true)
  await until(2)
  simulator.pay(failed.id, 'delayed')
  await until(3)
  simulator.conclude(failed.id, false)

  const types = (await until(4)).map(({ type }) => type.replace('checkout.session.', ''))
  t.same(types, ['completed', 'async_payment_succeeded', 'completed', 'async_payment_failed'])
})

t.test('refunds add up to the charge and no further; disputes open and close', async t => {
  const { webhook, until } = await openReceiver(t)
  const { simulator, client } = await open(t, { webhook })
  const { id } = await client.checkout.sessions.create(sale)
  simulator.pay(id)
  const intent = String((await client.checkout.sessions.retrieve(id)).payment_intent)

  await client.refunds.create({ payment_intent: intent, amount: 200 })
  await client.refunds.create({ payment_intent: intent })
  const more = client.refunds.create({ payment_intent: intent, amount: 1 })
  await t.rejects(more, { message: /greater than unrefunded/ })
  const dispute = simulator.dispute(intent)
  simulator.closeDispute(dispute, 'won')

  t.match(await client.disputes.retrieve(dispute), { status: 'won' })
  const charges = (await until(5)).filter(({ type }) => type === 'charge.refunded')
  const refunded = charges.map(({ data }) => 'amount_refunded' in data.object && data.object)
  t.match(
    refunded
      .map(charge => charge && charge.amount_refunded)
      .toSorted((a, b) => Number(a) - Number(b)),
    [200, 499],
  )
  const { data } = await client.events.list({ limit: 2 })
  t.match(data, [{ type: 'charge.dispute.closed' }, { type: 'charge.dispute.created' }])
})

t.test('webhooks are repeated until they are taken, doubled and dropped when told', async t => {
  const { webhook, until } = await openReceiver(t, count => (count === 1 ? 500 : 200))
  const { simulator, client } = await open(t, { webhook })
  const session = await client.checkout.sessions.create(sale)

  simulator.pay(session.id)
  const [first, second] = await until(2)
  t.equal(first?.id, second?.id)

  const post = (path: string, body: object) =>
    fetch(`${simulator.url}/_control/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  await post('webhooks', { mode: 'drop', times: 1 })
  await post('webhooks', { mode: 'duplicate', copies: 3, times: 1 })
  const intent = String((await client.checkout.sessions.retrieve(session.id)).payment_intent)
  const dispute = await (await post(`payment_intents/${intent}/dispute`, {})).json()
  t.match(dispute, { object: 'dispute', status: 'needs_response' })
  simulator.closeDispute(simulator.dispute(intent), 'lost')
  const received = await until(6)
  t.equal(received.filter(({ type }) => type === 'charge.dispute.created').length, 3)
  t.ok(simulator.deliveries().some(({ status }) => status === 'dropped'))
})

t.test('what is unknown, wrong or without a key is refused in Stripe’s words', async t => {
  const { simulator, client } = await open(t)
  const unknown = client.checkout.sessions.retrieve('cs_none')
  await t.rejects(unknown, { code: 'resource_missing', statusCode: 404 })

  const free = structuredClone(sale)
  if (free.line_items[0]) free.line_items[0].price_data.unit_amount = 0
  await t.rejects(client.checkout.sessions.create(free), { message: /Invalid integer/ })
  const { id } = await client.checkout.sessions.create(sale)
  await client.checkout.sessions.expire(id)
  await t.rejects(client.checkout.sessions.expire(id), { message: /this one is expired/ })
  t.throws(() => simulator.pay(id), /expired/)
  t.equal((await fetch(`${simulator.url}/v1/events`)).status, 401)
})
