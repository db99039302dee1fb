import Stripe from 'stripe'
import type { Test } from 'tap'
import { findFreePort } from '@funmagic/database/testing'
import { balanceOf } from '@funmagic/ledger/accounts'
import { savePackage } from '@funmagic/ledger/packages'
import { signatureOf, startStripe } from '@funmagic/simulators/stripe'
import { openStripe } from '../src/stripe/stripe-payments.ts'
import type { Server } from '@funmagic/runtime/http-server'
import { openCreditApp, until } from './credit-app.ts'

export const webhookSecret = 'whsec_test'
const path = '/api/credits/webhooks/stripe'

/** The service beside a simulated Stripe that sends it its events over HTTP. */
export async function openShop(t: Test) {
  const port = await findFreePort()
  const webhook = { url: `http://127.0.0.1:${port}${path}`, secret: webhookSecret }
  const stripe = await startStripe({ webhook })
  const payments = openStripe({
    secretKey: 'sk_test_1',
    webhookSecret,
    apiUrl: stripe.url,
    successUrl: 'http://web/thanks',
    cancelUrl: 'http://web/back',
  })
  const opened = await openCreditApp(t, { payments })
  t.teardown(() => stripe[Symbol.asyncDispose]())
  const { app, database, addUser } = opened
  await app.listen({ port, host: '127.0.0.1' })
  const client = new Stripe('sk_test_1', { ...stripe.client, telemetry: false })
  const starter = await savePackage(database, {
    name: 'Starter',
    credits: 100,
    priceCents: 499,
    currency: 'usd',
    stripePriceId: null,
    sortOrder: 1,
    isActive: true,
  })

  function checkout(cookie: string, body: unknown = { packageId: starter.id }, key?: string) {
    const headers = { cookie, ...(key !== undefined && { 'idempotency-key': key }) }
    return app.inject({
      method: 'POST',
      url: '/api/credits/checkout',
      headers,
      payload: body as object,
    })
  }

  /** A user with the page to pay on open. */
  async function addBuyer() {
    const buyer = await addUser()
    const reply = (await checkout(buyer.cookie)).json()
    const sessionId = String(reply.checkoutUrl).split('/').at(-1) ?? ''
    const userId = buyer.user.id
    const holds = (expected: { balance: number; lifetimePurchased: number }) =>
      until(async () => {
        const { balance, lifetimePurchased } = await balanceOf(database, userId)
        return balance === expected.balance && lifetimePurchased === expected.lifetimePurchased
      })
    const intent = async () =>
      String((await client.checkout.sessions.retrieve(sessionId)).payment_intent)
    return { ...buyer, userId, paymentId: String(reply.payment.id), sessionId, holds, intent }
  }

  return { ...opened, stripe, payments, client, starter, checkout, addBuyer, post: postTo(app) }
}

function postTo(app: Server) {
  /** An event as Stripe would send it, or nearly. */
  return (body: string, headers: Record<string, string | undefined> = {}) => {
    const sent = {
      'content-type': 'application/json',
      'stripe-signature': signatureOf(body, webhookSecret),
      ...headers,
    }
    const entries = Object.entries(sent).filter(([, value]) => value !== undefined)
    return app.inject({
      method: 'POST',
      url: path,
      headers: Object.fromEntries(entries),
      payload: body,
    })
  }
}
