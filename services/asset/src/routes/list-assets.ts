import { listAssets as list } from '@funmagic/asset/gallery'
import type { AssetLinks } from '@funmagic/asset/resolve-url'
import { AssetView } from '@funmagic/contract/asset'
import { ListAssetsQuery } from '@funmagic/contract/gallery'
import { Page, pageLimitDefault } from '@funmagic/contract/page'
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
        description:
          'A cursor belongs to its user and its filters; with others it is INVALID_CURSOR. With ' +
          'filters, a page of a large gallery may be short or empty: the end is where nextCursor ' +
          'is null.',
        querystring: ListAssetsQuery,
        response: {
          200: Page(AssetView),
          ...problems('VALIDATION_FAILED', 'INVALID_CURSOR', 'UNAUTHORIZED'),
        },
      },
    },
    async request => {
      const user = userOf(request)
      const { limit = pageLimitDefault, cursor, tags, ...filter } = request.query
      const gallery = { userId: user.id, filter: { ...filter, tags: tags?.split(',') } }
      const page = await list(database, gallery, { limit, cursor })
      const items = await links.toAssetViews(page.items, user)
      return { items, nextCursor: page.nextCursor }
    },
  )
}
