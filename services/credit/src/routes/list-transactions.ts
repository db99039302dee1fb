import { CreditTransactionView, creditTransactionTypes } from '@funmagic/contract/credit'
import { Page, pageQuery, readPage } from '@funmagic/contract/page'
import { problems } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import { listEntries } from '@funmagic/ledger/entries'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import Type from 'typebox'
import { toTransactionView } from '../views.ts'

const ListTransactionsQuery = Type.Object(
  { ...pageQuery, type: Type.Optional(Type.Enum(creditTransactionTypes)) },
  { additionalProperties: false },
)

export const listTransactions: RoutePlugin<{ database: Database }> = async (app, { database }) => {
  app.get(
    '/api/credits/transactions',
    {
      schema: {
        summary: 'The history of the own credits, newest first',
        querystring: ListTransactionsQuery,
        response: {
          200: Page(CreditTransactionView),
          ...problems('INVALID_CURSOR', 'VALIDATION_FAILED', 'UNAUTHORIZED'),
        },
      },
    },
    async request => {
      const place = { ...readPage(request.query), type: request.query.type }
      const page = await listEntries(database, userOf(request).id, place)
      return { items: page.items.map(toTransactionView), nextCursor: page.nextCursor }
    },
  )
}
