import { PaymentView } from '@funmagic/contract/credit'
import { Id } from '@funmagic/contract/ids'
import { AppError, problems } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import { findPackage } from '@funmagic/ledger/packages'
import { openPayment, startPayment } from '@funmagic/ledger/payments'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { IdempotencyHeaders } from '@funmagic/runtime/idempotency'
import type { Features } from '@funmagic/session/features'
import { userOf } from '@funmagic/session/require-user'
import Type from 'typebox'
import type { PaymentProvider } from '../stripe/stripe-payments.ts'
import { toPaymentView } from '../views.ts'

const StartCheckout = Type.Object({ packageId: Id }, { additionalProperties: false })

interface StartCheckoutDeps {
  readonly database: Database
  readonly payments: PaymentProvider | undefined
  readonly features: Features
}

/**
 * The sale is written down before Stripe hears of it, and its id is the key of the session: so a
 * repeat, also after a crash in between, opens the same page and never a second one.
 */
export const startCheckout: RoutePlugin<StartCheckoutDeps> = async (app, deps) => {
  app.post(
    '/api/credits/checkout',
    {
      schema: {
        summary: 'Begin to buy a package: answers the address of the page to pay on',
        headers: IdempotencyHeaders,
        body: StartCheckout,
        response: {
          201: Type.Object({
            payment: PaymentView,
            checkoutUrl: Type.String(),
            expiresAt: Type.String({ format: 'date-time' }),
          }),
          ...problems(
            'VALIDATION_FAILED',
            'INVALID_IDEMPOTENCY_KEY',
            'UNAUTHORIZED',
            'ACCOUNT_SUSPENDED',
            'FEATURE_OFF',
            'NOT_FOUND',
            'CONFLICT',
            'IDEMPOTENCY_MISMATCH',
            'PAYMENTS_UNAVAILABLE',
          ),
        },
      },
    },
    async (request, reply) => {
      const { database, payments, features } = deps
      await features.requireOpen('purchases', userOf(request).id)
      if (payments === undefined) throw new AppError('PAYMENTS_UNAVAILABLE')
      const creditPackage = await findPackage(database, request.body.packageId)
      if (creditPackage === undefined) throw new AppError('NOT_FOUND')

      const started = await startPayment(database, {
        userId: userOf(request).id,
        creditPackage,
        idempotencyKey: request.headers['idempotency-key'],
      })
      if (started.state !== 'created' && started.state !== 'open') throw new AppError('CONFLICT')
      const session = await payments.openSession(started)
      const payment = await openPayment(database, { paymentId: started.id, ...session })

      const { checkoutUrl, expiresAt } = session
      reply.code(201)
      const view = toPaymentView(payment)
      return { payment: view, checkoutUrl, expiresAt: expiresAt.toISOString() }
    },
  )
}
