import { findAsset } from '@funmagic/asset/catalog'
import type { AssetLinks } from '@funmagic/asset/resolve-url'
import { AssetView } from '@funmagic/contract/asset'
import { AppError, problems } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import { AssetParams } from './asset-params.ts'

interface GetAssetDeps {
  readonly database: Database
  readonly links: AssetLinks
}

export const getAsset: RoutePlugin<GetAssetDeps> = async (app, { database, links }) => {
  app.get(
    '/api/assets/:assetId',
    {
      schema: {
        summary: 'One of the own assets',
        params: AssetParams,
        response: { 200: AssetView, ...problems('INVALID_ID', 'UNAUTHORIZED', 'NOT_FOUND') },
      },
    },
    async request => {
      const user = userOf(request)
      const { assetId } = request.params
      const asset = await findAsset(database, { userId: user.id, assetId })
      if (asset === undefined) throw new AppError('NOT_FOUND')
      return links.toAssetView(asset, user)
    },
  )
}
