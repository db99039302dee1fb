import { findAssets } from '@funmagic/asset/gallery'
import type { AssetLinks } from '@funmagic/asset/resolve-url'
import { ResolveAssets, ResolvedAssets } from '@funmagic/contract/gallery'
import { problems } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'

interface ResolveAssetsDeps {
  readonly database: Database
  readonly links: AssetLinks
}

/** Fresh addresses for what a page shows already: one query, whatever their number (A7). */
export const resolveAssets: RoutePlugin<ResolveAssetsDeps> = async (app, { database, links }) => {
  app.post(
    '/api/assets/resolve',
    {
      schema: {
        summary: 'Fresh addresses of up to 200 own assets',
        body: ResolveAssets,
        response: { 200: ResolvedAssets, ...problems('VALIDATION_FAILED', 'UNAUTHORIZED') },
      },
    },
    async request => {
      const user = userOf(request)
      const { ids } = request.body
      const { found, missing } = await findAssets(database, { userId: user.id, ids })
      return { items: await links.toAssetViews(found, user), missing }
    },
  )
}
