import { PaymentView } from '@funmagic/contract/credit'
import { Page, pageQuery, readPage } from '@funmagic/contract/page'
import { problems } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import { listPayments as listOwnPayments } from '@funmagic/ledger/payments'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import Type from 'typebox'
import { toPaymentView } from '../views.ts'

const ListPaymentsQuery = Type.Object(pageQuery, { additionalProperties: false })

export const listPayments: RoutePlugin<{ database: Database }> = async (app, { database }) => {
  app.get(
    '/api/credits/payments',
    {
      schema: {
        summary: 'The own purchases, newest first',
        querystring: ListPaymentsQuery,
        response: {
          200: Page(PaymentView),
          ...problems('INVALID_CURSOR', 'VALIDATION_FAILED', 'UNAUTHORIZED'),
        },
      },
    },
    async request => {
      const page = readPage(request.query)
      const { items, nextCursor } = await listOwnPayments(database, userOf(request).id, page)
      return { items: items.map(toPaymentView), nextCursor }
    },
  )
}
