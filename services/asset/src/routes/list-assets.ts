import { listAssets as list } from '@funmagic/asset/catalog'
import type { AssetLinks } from '@funmagic/asset/resolve-url'
import { AssetView, ListAssetsQuery } from '@funmagic/contract/asset'
import { Page, readPage } from '@funmagic/contract/page'
import { problems } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'

interface ListAssetsDeps {
  readonly database: Database
  readonly links: AssetLinks
}

/** The gallery (A15): one query for the page, and addresses that are signed without I/O. */
export const listAssets: RoutePlugin<ListAssetsDeps> = async (app, { database, links }) => {
  app.get(
    '/api/assets',
    {
      schema: {
        summary: 'The own assets, newest first',
        querystring: ListAssetsQuery,
        response: {
          200: Page(AssetView),
          ...problems('VALIDATION_FAILED', 'INVALID_CURSOR', 'UNAUTHORIZED'),
        },
      },
    },
    async request => {
      const user = userOf(request)
      const { module, visibility, taskId } = request.query
      const filter = { userId: user.id, module, visibility, taskId }
      const page = await list(database, filter, readPage(request.query))
      const items = await links.toAssetViews(page.items, user)
      return { items, nextCursor: page.nextCursor }
    },
  )
}
