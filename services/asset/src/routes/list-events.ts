import { listEvents as list } from '@funmagic/asset/history'
import { AssetEventView } from '@funmagic/contract/gallery'
import { Page, pageLimitDefault, pageQuery } from '@funmagic/contract/page'
import { problems } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import Type from 'typebox'
import { AssetParams } from './asset-params.ts'

const ListEventsQuery = Type.Object(pageQuery, { additionalProperties: false })

/** The history of an asset, for its owner: it is only ever added to (A2). */
export const listEvents: RoutePlugin<{ readonly database: Database }> = async (app, deps) => {
  app.get(
    '/api/assets/:assetId/events',
    {
      schema: {
        summary: 'Who could see an own asset, and since when',
        params: AssetParams,
        querystring: ListEventsQuery,
        response: {
          200: Page(AssetEventView),
          ...problems(
            'INVALID_ID',
            'VALIDATION_FAILED',
            'INVALID_CURSOR',
            'UNAUTHORIZED',
            'NOT_FOUND',
          ),
        },
      },
    },
    async request => {
      const own = { userId: userOf(request).id, assetId: request.params.assetId }
      const { limit = pageLimitDefault, cursor } = request.query
      return list(deps.database, own, { limit, cursor })
    },
  )
}
