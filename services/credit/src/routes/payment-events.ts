import { paymentEventStates } from '@funmagic/contract/credit'
import { PaymentEventView } from '@funmagic/contract/credit-admin'
import { Id } from '@funmagic/contract/ids'
import { Page, pageQuery, readPage } from '@funmagic/contract/page'
import { problems } from '@funmagic/contract/problem'
import { listEvents, readEvent } from '@funmagic/ledger/payment-events'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import Type from 'typebox'
import { applyKept, type InboxDeps } from '../take-event.ts'
import { toPaymentEventView } from '../views.ts'

const ListQuery = Type.Object(
  { ...pageQuery, status: Type.Optional(Type.Enum(paymentEventStates)) },
  { additionalProperties: false },
)

/** The inbox of payment events, and another try for what failed. */
export const paymentEvents: RoutePlugin<InboxDeps> = async (app, deps) => {
  app.get(
    '/api/admin/credits/payment-events',
    {
      schema: {
        summary: 'Events of the payment provider, newest first',
        querystring: ListQuery,
        response: {
          200: Page(PaymentEventView),
          ...problems('INVALID_CURSOR', 'VALIDATION_FAILED', 'UNAUTHORIZED', 'FORBIDDEN'),
        },
      },
    },
    async ({ query }) => {
      const page = { ...readPage(query), state: query.status }
      const { items, nextCursor } = await listEvents(deps.database, page)
      return { items: items.map(toPaymentEventView), nextCursor }
    },
  )
  app.post(
    '/api/admin/credits/payment-events/:id/retry',
    {
      schema: {
        summary: 'Apply an event now; one that was applied stays as it is',
        params: Type.Object({ id: Id }),
        response: {
          200: Type.Object({ event: PaymentEventView }),
          ...problems('INVALID_ID', 'UNAUTHORIZED', 'FORBIDDEN', 'NOT_FOUND'),
        },
      },
    },
    async request => {
      const event = await readEvent(deps.database, request.params.id)
      await applyKept(deps, event)
      return { event: toPaymentEventView(await readEvent(deps.database, event.id)) }
    },
  )
}
