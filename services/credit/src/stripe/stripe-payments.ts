import { AppError } from '@funmagic/contract/problem'
import type { NewPaymentEvent, PaymentFact } from '@funmagic/ledger/payment-events'
import type { Payment } from '@funmagic/ledger/payments'
import Stripe from 'stripe'
import { factOf, factOfSession } from './event-facts.ts'

export interface StripeOptions {
  readonly secretKey: string
  readonly webhookSecret: string
  readonly apiUrl: string
  readonly successUrl: string
  readonly cancelUrl: string
}

export interface OpenedSession {
  readonly sessionId: string
  readonly checkoutUrl: string
  readonly expiresAt: Date
}

/** Who takes the money. Throws PAYMENTS_UNAVAILABLE while it cannot be reached. */
export interface PaymentProvider {
  /** Opens a page to pay on; a repeat for the same payment gets the same page. */
  openSession(payment: Payment): Promise<OpenedSession>
  /** What has become of the payment, for when its webhooks were lost. */
  readFact(sessionId: string): Promise<PaymentFact>
  /** Throws SIGNATURE_INVALID for what the provider did not sign, or not within five minutes. */
  verifyEvent(body: Buffer, signature: string): NewPaymentEvent
}

const toleranceSeconds = 300
const timeoutMs = 10_000
const retryAfterSeconds = 10

/** The only door to Stripe's client. */
export function openStripe(options: StripeOptions): PaymentProvider {
  const { protocol, hostname, port } = new URL(options.apiUrl)
  const client = new Stripe(options.secretKey, {
    protocol: protocol === 'http:' ? 'http' : 'https',
    host: hostname,
    ...(port !== '' && { port: Number(port) }),
    timeout: timeoutMs,
    maxNetworkRetries: 1,
    telemetry: false,
  })
  return {
    openSession: payment => orUnavailable(() => openSession(client, options, payment)),
    readFact: sessionId =>
      orUnavailable(async () => factOfSession(await client.checkout.sessions.retrieve(sessionId))),
    verifyEvent: (body, signature) => {
      const event = verify(body, signature, options.webhookSecret)
      return { eventId: event.id, type: event.type, fact: factOf(event) }
    },
  }
}

/** The price is the one that was written down with the payment, whatever a price at Stripe says. */
async function openSession(
  client: Stripe,
  { successUrl, cancelUrl }: StripeOptions,
  payment: Payment,
): Promise<OpenedSession> {
  const session = await client.checkout.sessions.create(
    {
      mode: 'payment',
      client_reference_id: payment.id,
      metadata: { paymentId: payment.id },
      success_url: successUrl,
      cancel_url: cancelUrl,
      line_items: [
        {
          quantity: 1,
          price_data: {
            currency: payment.currency,
            unit_amount: payment.amountCents,
            product_data: { name: `${payment.packageName}: ${payment.credits} credits` },
          },
        },
      ],
    },
    { idempotencyKey: `checkout:${payment.id}` },
  )
  if (session.url === null) throw new Error(`session ${session.id} has no page`)
  const expiresAt = new Date(session.expires_at * 1000)
  return { sessionId: session.id, checkoutUrl: session.url, expiresAt }
}

function verify(body: Buffer, signature: string, secret: string): Stripe.Event {
  try {
    return Stripe.webhooks.constructEvent(body, signature, secret, toleranceSeconds)
  } catch (error) {
    if (error instanceof SyntaxError) throw new AppError('INVALID_JSON', { cause: error })
    throw new AppError('SIGNATURE_INVALID', { cause: error })
  }
}

async function orUnavailable<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof Stripe.errors.StripeError)) throw error
    throw new AppError('PAYMENTS_UNAVAILABLE', { cause: error, retryAfterSeconds })
  }
}
