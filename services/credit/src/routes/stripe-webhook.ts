import { AppError, problems } from '@funmagic/contract/problem'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import Type from 'typebox'
import type { PaymentProvider } from '../stripe/stripe-payments.ts'
import { takeEvent, type InboxDeps } from '../take-event.ts'

interface StripeWebhookDeps extends InboxDeps {
  readonly payments: PaymentProvider | undefined
}

/** The bytes that were signed. Nothing to enumerate: what checks texts goes over properties. */
class SignedBody {
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get bytes(): Buffer {
    return this.#bytes
  }
}

const bodyLimitBytes = 512 * 1024

/**
 * No session is read here: the signature over the raw bytes says who is calling. The reply is 200
 * as soon as the event is kept, whatever becomes of it, because a repeat would change nothing.
 */
export const stripeWebhook: RoutePlugin<StripeWebhookDeps> = async (app, deps) => {
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, new SignedBody(Buffer.from(body))),
  )
  app.post(
    '/api/credits/webhooks/stripe',
    {
      bodyLimit: bodyLimitBytes,
      schema: {
        summary: 'Events of Stripe, signed by it',
        response: {
          200: Type.Object({ received: Type.Literal(true) }),
          ...problems(
            'INVALID_JSON',
            'SIGNATURE_INVALID',
            'PAYLOAD_TOO_LARGE',
            'UNSUPPORTED_MEDIA_TYPE',
            'PAYMENTS_UNAVAILABLE',
          ),
        },
      },
    },
    async request => {
      const { payments } = deps
      if (payments === undefined) throw new AppError('PAYMENTS_UNAVAILABLE')
      const { body } = request
      const signature = request.headers['stripe-signature']
      if (!(body instanceof SignedBody) || typeof signature !== 'string') {
        throw new AppError('SIGNATURE_INVALID')
      }
      await takeEvent(deps, payments.verifyEvent(body.bytes, signature))
      return { received: true as const }
    },
  )
}
