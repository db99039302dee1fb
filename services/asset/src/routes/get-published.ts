import { findSharedAsset } from '@funmagic/asset/catalog'
import type { AssetLinks } from '@funmagic/asset/resolve-url'
import { AssetView } from '@funmagic/contract/asset'
import { AppError, problems } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { AssetParams } from './asset-params.ts'

interface GetPublishedDeps {
  readonly database: Database
  readonly links: AssetLinks
}

export const getPublished: RoutePlugin<GetPublishedDeps> = async (app, { database, links }) => {
  app.get(
    '/api/assets/shared/:assetId',
    {
      schema: {
        summary: 'One published asset of anybody',
        params: AssetParams,
        response: { 200: AssetView, ...problems('INVALID_ID', 'NOT_FOUND') },
      },
    },
    async request => {
      const asset = await findSharedAsset(database, request.params.assetId)
      if (asset === undefined) throw new AppError('NOT_FOUND')
      return links.toAssetView(asset, undefined)
    },
  )
}
