import { randomBytes } from 'node:crypto'

/** The objects of Stripe that are used here, with the fields that are read. */
export interface Session {
  readonly id: string
  readonly object: 'checkout.session'
  readonly mode: 'payment'
  status: 'open' | 'complete' | 'expired'
  payment_status: 'unpaid' | 'paid'
  payment_intent: string | null
  readonly client_reference_id: string | null
  readonly metadata: Readonly<Record<string, string>>
  readonly amount_total: number
  readonly currency: string
  readonly success_url: string
  readonly cancel_url: string | null
  url: string | null
  readonly created: number
  readonly expires_at: number
  readonly livemode: false
}

export interface PaymentIntent {
  readonly id: string
  readonly object: 'payment_intent'
  readonly amount: number
  readonly currency: string
  status: 'succeeded' | 'processing' | 'requires_payment_method'
  readonly latest_charge: string
  readonly created: number
}

export interface Charge {
  readonly id: string
  readonly object: 'charge'
  readonly amount: number
  amount_refunded: number
  refunded: boolean
  disputed: boolean
  readonly currency: string
  readonly payment_intent: string
  readonly created: number
}

export interface Refund {
  readonly id: string
  readonly object: 'refund'
  readonly amount: number
  readonly currency: string
  readonly charge: string
  readonly payment_intent: string
  readonly status: 'succeeded'
  readonly created: number
}

export interface Dispute {
  readonly id: string
  readonly object: 'dispute'
  readonly amount: number
  readonly currency: string
  readonly charge: string
  readonly payment_intent: string
  readonly reason: 'fraudulent'
  status: 'needs_response' | 'won' | 'lost'
  readonly created: number
}

export type StripeObject = Session | PaymentIntent | Charge | Refund | Dispute

export interface StripeEvent {
  readonly id: string
  readonly object: 'event'
  readonly api_version: string
  readonly type: string
  readonly created: number
  readonly livemode: false
  readonly pending_webhooks: number
  readonly request: { readonly id: null; readonly idempotency_key: null }
  readonly data: { readonly object: StripeObject }
}

const rememberedMax = 10_000

/** Keeps the newest of its things, so that a long run does not fill the memory. */
export class Shelf<Thing> {
  readonly #things = new Map<string, Thing>()

  add(id: string, thing: Thing): void {
    this.#things.set(id, thing)
    const [oldest] = this.#things.keys()
    if (this.#things.size > rememberedMax && oldest !== undefined) this.#things.delete(oldest)
  }

  find(id: string): Thing | undefined {
    return this.#things.get(id)
  }

  newestFirst(): Thing[] {
    return [...this.#things.values()].toReversed()
  }
}

export function idOf(prefix: string): string {
  return `${prefix}_${randomBytes(12).toString('hex')}`
}

export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000)
}
