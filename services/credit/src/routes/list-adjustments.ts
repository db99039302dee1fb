import { AdjustmentView, adjustmentStates } from '@funmagic/contract/credit-admin'
import { Page, pageQuery, readPage } from '@funmagic/contract/page'
import { problems } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import { listAdjustments as listAll } from '@funmagic/ledger/adjustments'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import Type from 'typebox'
import { toAdjustmentView } from '../views.ts'

const ListQuery = Type.Object(
  { ...pageQuery, status: Type.Optional(Type.Enum(adjustmentStates)) },
  { additionalProperties: false },
)
/** What waits for a second operator, and what became of the rest. */
export const listAdjustments: RoutePlugin<{ database: Database }> = async (app, { database }) => {
  app.get(
    '/api/admin/credits/adjustments',
    {
      schema: {
        summary: 'Adjustments and grants that need a second super admin, newest first',
        querystring: ListQuery,
        response: {
          200: Page(AdjustmentView),
          ...problems('INVALID_CURSOR', 'VALIDATION_FAILED', 'UNAUTHORIZED', 'FORBIDDEN'),
        },
      },
    },
    async ({ query }) => {
      const page = { ...readPage(query), state: query.status }
      const { items, nextCursor } = await listAll(database, page)
      return { items: items.map(toAdjustmentView), nextCursor }
    },
  )
}
