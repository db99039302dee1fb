import { CreditTransactionView } from '@funmagic/contract/credit'
import { AccountView } from '@funmagic/contract/credit-admin'
import { Id, type UserId } from '@funmagic/contract/ids'
import { Page, pageQuery, readPage } from '@funmagic/contract/page'
import { AppError, problems } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import { findAccount } from '@funmagic/ledger/accounts'
import { recordReading } from '@funmagic/ledger/adjustments'
import { listEntries } from '@funmagic/ledger/entries'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import Type from 'typebox'
import { toTransactionView } from '../views.ts'

const Params = Type.Object({ userId: Id })
const Query = Type.Object(pageQuery, { additionalProperties: false })

/** Operators may look at anybody's credits, and that they did is written down before they see. */
export const readAccounts: RoutePlugin<{ database: Database }> = async (app, { database }) => {
  async function open(userId: UserId) {
    const account = await findAccount(database, userId)
    if (account === undefined) throw new AppError('NOT_FOUND')
    return account
  }
  app.get(
    '/api/admin/credits/users/:userId',
    {
      schema: {
        summary: 'The account of a user; who looks is recorded',
        params: Params,
        response: {
          200: AccountView,
          ...problems('INVALID_ID', 'UNAUTHORIZED', 'FORBIDDEN', 'NOT_FOUND'),
        },
      },
    },
    async request => {
      const { userId } = request.params
      const account = await open(userId)
      const actorId = userOf(request).id
      await recordReading(database, { actorId, userId, subject: 'account', requestId: request.id })
      return { userId, ...account }
    },
  )
  app.get(
    '/api/admin/credits/users/:userId/transactions',
    {
      schema: {
        summary: 'The history of a user’s credits, newest first; who looks is recorded',
        params: Params,
        querystring: Query,
        response: {
          200: Page(CreditTransactionView),
          ...problems('INVALID_ID', 'INVALID_CURSOR', 'UNAUTHORIZED', 'FORBIDDEN', 'NOT_FOUND'),
        },
      },
    },
    async request => {
      const { userId } = request.params
      await open(userId)
      const actorId = userOf(request).id
      const reading = { actorId, userId, requestId: request.id }
      await recordReading(database, { ...reading, subject: 'transactions' })
      const page = await listEntries(database, userId, readPage(request.query))
      return { items: page.items.map(toTransactionView), nextCursor: page.nextCursor }
    },
  )
}
