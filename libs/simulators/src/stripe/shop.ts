import { pairsAt, textAt, type FormObject } from './form-body.ts'
import {
  idOf,
  nowSeconds,
  Shelf,
  type Charge,
  type Dispute,
  type PaymentIntent,
  type Refund,
  type Session,
  type StripeEvent,
  type StripeObject,
} from './objects.ts'
import { invalid, missing } from './refusal.ts'

const sessionLifeSeconds = 24 * 3_600
const apiVersion = '2026-10-29.simulated'

/** What a seller has at Stripe, and what happens to it; every change is an event. */
export class Shop {
  readonly sessions = new Shelf<Session>()
  readonly intents = new Shelf<PaymentIntent>()
  readonly charges = new Shelf<Charge>()
  readonly refunds = new Shelf<Refund>()
  readonly disputes = new Shelf<Dispute>()
  readonly events = new Shelf<StripeEvent>()
  readonly #pageUrl: (sessionId: string) => string
  readonly #announce: (event: StripeEvent) => void

  constructor(options: {
    readonly pageUrl: (sessionId: string) => string
    readonly announce: (event: StripeEvent) => void
  }) {
    this.#pageUrl = options.pageUrl
    this.#announce = options.announce
  }

  createSession(form: FormObject): Session {
    if (textAt(form, 'mode') !== 'payment') throw invalid('mode', 'Only payment is simulated.')
    const successUrl = textAt(form, 'success_url')
    if (successUrl === undefined) throw invalid('success_url', 'Missing required param.')
    const price = priceOf(form)
    const id = idOf('cs_test')
    const created = nowSeconds()
    const session: Session = {
      id,
      object: 'checkout.session',
      mode: 'payment',
      status: 'open',
      payment_status: 'unpaid',
      payment_intent: null,
      client_reference_id: textAt(form, 'client_reference_id') ?? null,
      metadata: pairsAt(form, 'metadata'),
      ...price,
      success_url: successUrl,
      cancel_url: textAt(form, 'cancel_url') ?? null,
      url: this.#pageUrl(id),
      created,
      expires_at: created + sessionLifeSeconds,
      livemode: false,
    }
    this.sessions.add(id, session)
    return session
  }

  readSession(id: string): Session {
    const session = this.sessions.find(id)
    if (session === undefined) throw missing('checkout.session', id)
    return session
  }

  expireSession(id: string): Session {
    const session = this.readSession(id)
    if (session.status !== 'open') {
      throw invalid('session', `Only open sessions can be expired; this one is ${session.status}.`)
    }
    session.status = 'expired'
    session.url = null
    this.#happen('checkout.session.expired', session)
    return session
  }

  /** A card pays at once; a delayed method completes the session and is told of later. */
  pay(id: string, method: 'card' | 'delayed' = 'card'): Session {
    const session = this.readSession(id)
    if (session.status !== 'open') throw invalid('session', `The session is ${session.status}.`)
    const intent = this.#charge(session, method === 'card' ? 'succeeded' : 'processing')
    session.status = 'complete'
    session.url = null
    session.payment_intent = intent.id
    session.payment_status = method === 'card' ? 'paid' : 'unpaid'
    this.#happen('checkout.session.completed', session)
    return session
  }

  /** The end of a delayed payment, or the failure of any. */
  conclude(id: string, isPaid: boolean): Session {
    const session = this.readSession(id)
    const intent = this.intents.find(session.payment_intent ?? '')
    if (intent?.status !== 'processing') throw invalid('session', 'No payment is under way.')
    intent.status = isPaid ? 'succeeded' : 'requires_payment_method'
    session.payment_status = isPaid ? 'paid' : 'unpaid'
    const ending = isPaid ? 'async_payment_succeeded' : 'async_payment_failed'
    this.#happen(`checkout.session.${ending}`, session)
    return session
  }

  refund(form: FormObject): Refund {
    const intentId = textAt(form, 'payment_intent') ?? ''
    const charge = this.#chargeOf(intentId)
    const amount = Number(textAt(form, 'amount') ?? charge.amount - charge.amount_refunded)
    if (!(amount >= 1 && amount <= charge.amount - charge.amount_refunded)) {
      throw invalid('amount', 'Refund amount is greater than unrefunded amount on charge.')
    }
    charge.amount_refunded += amount
    charge.refunded = charge.amount_refunded === charge.amount
    const refund: Refund = {
      id: idOf('re'),
      object: 'refund',
      amount,
      currency: charge.currency,
      charge: charge.id,
      payment_intent: intentId,
      status: 'succeeded',
      created: nowSeconds(),
    }
    this.refunds.add(refund.id, refund)
    this.#happen('charge.refunded', charge)
    return refund
  }

  dispute(intentId: string): Dispute {
    const charge = this.#chargeOf(intentId)
    charge.disputed = true
    const dispute: Dispute = {
      id: idOf('du'),
      object: 'dispute',
      amount: charge.amount,
      currency: charge.currency,
      charge: charge.id,
      payment_intent: intentId,
      reason: 'fraudulent',
      status: 'needs_response',
      created: nowSeconds(),
    }
    this.disputes.add(dispute.id, dispute)
    this.#happen('charge.dispute.created', dispute)
    return dispute
  }

  closeDispute(id: string, status: 'won' | 'lost'): Dispute {
    const dispute = this.disputes.find(id)
    if (dispute === undefined) throw missing('dispute', id)
    dispute.status = status
    this.#happen('charge.dispute.closed', dispute)
    return dispute
  }

  #charge(session: Session, status: PaymentIntent['status']): PaymentIntent {
    const { amount_total: amount, currency } = session
    const [intentId, chargeId, created] = [idOf('pi'), idOf('ch'), nowSeconds()]
    const intent: PaymentIntent = {
      id: intentId,
      object: 'payment_intent',
      amount,
      currency,
      status,
      latest_charge: chargeId,
      created,
    }
    this.intents.add(intentId, intent)
    this.charges.add(chargeId, {
      id: chargeId,
      object: 'charge',
      amount,
      amount_refunded: 0,
      refunded: false,
      disputed: false,
      currency,
      payment_intent: intentId,
      created,
    })
    return intent
  }

  #chargeOf(intentId: string): Charge {
    const intent = this.intents.find(intentId)
    const charge = this.charges.find(intent?.latest_charge ?? '')
    if (charge === undefined || intent?.status !== 'succeeded') {
      throw missing('payment_intent', intentId)
    }
    return charge
  }

  #happen(type: string, object: StripeObject): void {
    const event: StripeEvent = {
      id: idOf('evt'),
      object: 'event',
      api_version: apiVersion,
      type,
      created: nowSeconds(),
      livemode: false,
      pending_webhooks: 1,
      request: { id: null, idempotency_key: null },
      // As it is now: an event does not change with its object.
      data: { object: structuredClone(object) },
    }
    this.events.add(event.id, event)
    this.#announce(event)
  }
}

function priceOf(form: FormObject): { amount_total: number; currency: string } {
  const item = (...path: string[]) => textAt(form, 'line_items', '0', ...path)
  const amount = Number(item('price_data', 'unit_amount'))
  const currency = item('price_data', 'currency')?.toLowerCase()
  const quantity = Number(item('quantity') ?? 1)
  if (!Number.isInteger(amount) || amount < 1) {
    throw invalid('line_items[0][price_data][unit_amount]', 'Invalid integer.')
  }
  if (currency === undefined || !/^[a-z]{3}$/.test(currency)) {
    throw invalid('line_items[0][price_data][currency]', 'Invalid currency.')
  }
  return { amount_total: amount * quantity, currency }
}
