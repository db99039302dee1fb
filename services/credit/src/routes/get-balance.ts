import { BalanceView } from '@funmagic/contract/credit'
import { problems } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import { balanceOf } from '@funmagic/ledger/accounts'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'

export const getBalance: RoutePlugin<{ database: Database }> = async (app, { database }) => {
  app.get(
    '/api/credits',
    {
      schema: {
        summary: 'The own balance',
        response: { 200: BalanceView, ...problems('UNAUTHORIZED') },
      },
    },
    async request => balanceOf(database, userOf(request).id),
  )
}
