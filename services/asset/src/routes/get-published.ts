import type { AssetLinks } from '@funmagic/asset/resolve-url'
import { findSharedAsset, findSharedParent } from '@funmagic/asset/publications'
import { AppError, problems } from '@funmagic/contract/problem'
import { SharePageView } from '@funmagic/contract/publication'
import type { Database } from '@funmagic/database/client'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { findNames } from '@funmagic/session/users'
import { toSharePage } from '../share-views.ts'
import { AssetParams } from './asset-params.ts'

interface GetPublishedDeps {
  readonly database: Database
  readonly links: AssetLinks
}

/** What a share page shows; no session needed, and gone at once when it is unpublished. */
export const getPublished: RoutePlugin<GetPublishedDeps> = async (app, { database, links }) => {
  app.get(
    '/api/assets/shared/:assetId',
    {
      schema: {
        summary: 'One published asset of anybody, with all that its page shows',
        params: AssetParams,
        response: { 200: SharePageView, ...problems('INVALID_ID', 'NOT_FOUND') },
      },
    },
    async request => {
      const asset = await findSharedAsset(database, request.params.assetId)
      if (asset === undefined) throw new AppError('NOT_FOUND')
      const parent = await findSharedParent(database, asset.id)
      const owners = parent === undefined ? [asset.userId] : [asset.userId, parent.userId]
      return toSharePage(links, { asset, parent }, await findNames(database, owners))
    },
  )
}
