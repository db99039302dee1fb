import { listSharedAssets } from '@funmagic/asset/catalog'
import type { AssetLinks } from '@funmagic/asset/resolve-url'
import { AssetView } from '@funmagic/contract/asset'
import { Page, pageLimitDefault, pageQuery } from '@funmagic/contract/page'
import { problems } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import Type from 'typebox'

const ListPublishedQuery = Type.Object(pageQuery, { additionalProperties: false })

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
        summary: 'Published assets of everybody, last published first',
        querystring: ListPublishedQuery,
        response: { 200: Page(AssetView), ...problems('VALIDATION_FAILED', 'INVALID_CURSOR') },
      },
    },
    async request => {
      const { limit = pageLimitDefault, cursor } = request.query
      const page = await listSharedAssets(database, { limit, cursor })
      const items = await links.toAssetViews(page.items, undefined)
      return { items, nextCursor: page.nextCursor }
    },
  )
}
