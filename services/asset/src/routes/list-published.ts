import type { AssetLinks } from '@funmagic/asset/resolve-url'
import { listSharedAssets } from '@funmagic/asset/publications'
import { Page, pageLimitDefault } from '@funmagic/contract/page'
import { problems } from '@funmagic/contract/problem'
import { ListSharedQuery, SharedAssetView } from '@funmagic/contract/publication'
import type { Database } from '@funmagic/database/client'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { findNames } from '@funmagic/session/users'
import { toSharedViews } from '../share-views.ts'

interface ListPublishedDeps {
  readonly database: Database
  readonly links: AssetLinks
}

/** What everybody has published; no session needed. */
export const listPublished: RoutePlugin<ListPublishedDeps> = async (app, { database, links }) => {
  app.get(
    '/api/assets/shared',
    {
      schema: {
        summary: 'Published assets of everybody or of one user, last published first',
        querystring: ListSharedQuery,
        response: {
          200: Page(SharedAssetView),
          ...problems('VALIDATION_FAILED', 'INVALID_CURSOR'),
        },
      },
    },
    async request => {
      const { limit = pageLimitDefault, cursor, module, userId } = request.query
      const page = await listSharedAssets(database, { limit, cursor, module, userId })
      const names = await findNames(
        database,
        page.items.map(asset => asset.userId),
      )
      return { items: await toSharedViews(links, page.items, names), nextCursor: page.nextCursor }
    },
  )
}
