import { listOf, recordOf, textOf, type Browser } from './browser.ts'
import type { History, UserRecord } from './history.ts'
import type { Random } from './random.ts'

export interface PurchasesOptions {
  readonly browser: Browser
  readonly stripe: string
  readonly history: History
  readonly random: Random
  readonly signal: AbortSignal
  readonly find: (finding: string) => void
}

interface Paid {
  readonly credits: number
  readonly amountCents: number
  readonly intentId: string
}

const secretKey = 'sk_test_chaos'

/**
 * What a buyer does, and a bank: pays by card or by a method that is told of later, wants money
 * back, disputes. What it comes to in credits is kept, whenever and however often Stripe says so.
 */
export class Purchases {
  readonly #options: PurchasesOptions

  constructor(options: PurchasesOptions) {
    this.#options = options
  }

  async buy(record: UserRecord, key: string): Promise<void> {
    const { browser, random, find } = this.#options
    const list = await browser.sendUntilKnown({ method: 'GET', path: '/api/credits/packages' })
    const { id: packageId, credits } = recordOf(listOf(list.body['items'])[0])
    const path = '/api/credits/checkout'
    const request = { method: 'POST', path, body: { packageId }, key }
    const { status, code, body } = await browser.sendUntilKnown(request)
    const sessionId = /cs_[A-Za-z0-9_]+/.exec(textOf(body['checkoutUrl']) ?? '')?.[0]
    if (sessionId === undefined) return find(`a purchase was refused with ${status} ${code ?? ''}`)
    if (random.isChance(0.2)) await this.#forge(record, sessionId)
    const paid = await this.#pay(sessionId, Number(credits))
    if (paid === undefined) return
    record.bought += paid.credits
    this.#options.history.paymentsMade++
    if (random.isChance(0.5)) record.reversed += await this.#takeBack(paid)
  }

  /** Undefined when the payment has failed, as one by bank transfer may. */
  async #pay(sessionId: string, credits: number): Promise<Paid | undefined> {
    const { random } = this.#options
    const isDelayed = random.isChance(0.3)
    const path = `/_control/sessions/${sessionId}`
    const session = await this.#post(`${path}/pay`, { method: isDelayed ? 'delayed' : 'card' })
    const isPaid = !isDelayed || random.isChance(0.7)
    if (isDelayed) await this.#post(`${path}/conclude`, { isPaid })
    if (!isPaid) return undefined
    const { amount_total: amountCents, payment_intent: intentId } = session
    return { credits, amountCents: Number(amountCents), intentId: String(intentId) }
  }

  /** A refund of a part or of all, a chargeback, or both; the credits that go back for it. */
  async #takeBack({ credits, amountCents, intentId }: Paid): Promise<number> {
    const { random } = this.#options
    const refunded = random.pick([0, Math.floor(amountCents / 2), amountCents])
    if (refunded > 0) {
      const form = new URLSearchParams({ payment_intent: intentId, amount: String(refunded) })
      await this.#post('/v1/refunds', form)
    }
    const disputed = random.pick(['none', 'open', 'won', 'lost'])
    if (disputed !== 'none') {
      const { id } = await this.#post(`/_control/payment_intents/${intentId}/dispute`, {})
      const path = `/_control/disputes/${String(id)}/close`
      if (disputed !== 'open') await this.#post(path, { status: disputed })
    }
    const stays = disputed === 'open' || disputed === 'lost' ? amountCents : 0
    const cents = Math.min(amountCents, refunded + stays)
    return Math.floor((credits * cents) / amountCents)
  }

  /** Who tells that a session was paid and is not Stripe is refused, and nobody gets anything. */
  async #forge({ id }: UserRecord, sessionId: string): Promise<void> {
    const { browser, find } = this.#options
    const object = { id: sessionId, object: 'checkout.session', payment_status: 'paid' }
    const event = {
      id: `evt_forged_${sessionId}`,
      object: 'event',
      type: 'checkout.session.completed',
      data: { object: { ...object, client_reference_id: id } },
    }
    const signature = `t=${Math.floor(Date.now() / 1000)},v1=${'0'.repeat(64)}`
    const request = { method: 'POST', path: '/api/credits/webhooks/stripe', body: event }
    const headers = { 'stripe-signature': signature }
    const { status, code } = await browser.sendUntilKnown({ ...request, headers })
    if (code !== 'SIGNATURE_INVALID') find(`a forged event was answered with ${status} ${code}`)
  }

  async #post(path: string, body: object): Promise<Record<string, unknown>> {
    const { stripe, signal } = this.#options
    const isForm = body instanceof URLSearchParams
    const response = await fetch(`${stripe}${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${secretKey}`,
        ...(isForm ? {} : { 'content-type': 'application/json' }),
      },
      body: isForm ? body : JSON.stringify(body),
      signal,
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`Stripe answered ${response.status} ${text} to ${path}`)
    return recordOf(JSON.parse(text))
  }
}
