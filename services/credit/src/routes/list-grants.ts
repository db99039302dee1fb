import { CreditGrantView } from '@funmagic/contract/credit'
import { Page, pageQuery, readPage } from '@funmagic/contract/page'
import { problems } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import { listGrants as listOwnGrants } from '@funmagic/ledger/grants'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import Type from 'typebox'
import { toGrantView } from '../views.ts'

const ListGrantsQuery = Type.Object(
  { ...pageQuery, spendable: Type.Optional(Type.Boolean()) },
  { additionalProperties: false },
)

export const listGrants: RoutePlugin<{ database: Database }> = async (app, { database }) => {
  app.get(
    '/api/credits/grants',
    {
      schema: {
        summary: 'The own credits that expire, newest first; with `spendable`, what is left',
        querystring: ListGrantsQuery,
        response: {
          200: Page(CreditGrantView),
          ...problems('INVALID_CURSOR', 'VALIDATION_FAILED', 'UNAUTHORIZED'),
        },
      },
    },
    async request => {
      const isSpendable = request.query.spendable
      const page = { ...readPage(request.query), isSpendable }
      const { items, nextCursor } = await listOwnGrants(database, userOf(request).id, page)
      return { items: items.map(toGrantView), nextCursor }
    },
  )
}
