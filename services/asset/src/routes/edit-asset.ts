import { editAsset as edit } from '@funmagic/asset/gallery'
import type { AssetLinks } from '@funmagic/asset/resolve-url'
import { AssetView } from '@funmagic/contract/asset'
import { EditAsset } from '@funmagic/contract/gallery'
import { problems } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import { AssetParams } from './asset-params.ts'

interface EditAssetDeps {
  readonly database: Database
  readonly links: AssetLinks
}

export const editAsset: RoutePlugin<EditAssetDeps> = async (app, { database, links }) => {
  app.patch(
    '/api/assets/:assetId',
    {
      schema: {
        summary: 'Rename an own asset, or tag it',
        description: 'What is given replaces what was there. Tags are kept in lower case.',
        params: AssetParams,
        body: EditAsset,
        response: {
          200: AssetView,
          ...problems(
            'INVALID_ID',
            'VALIDATION_FAILED',
            'UNAUTHORIZED',
            'ACCOUNT_SUSPENDED',
            'NOT_FOUND',
          ),
        },
      },
    },
    async request => {
      const user = userOf(request)
      const own = { userId: user.id, assetId: request.params.assetId }
      const asset = await edit(database, own, request.body)
      return links.toAssetView(asset, user)
    },
  )
}
