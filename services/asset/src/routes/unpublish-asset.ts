import type { MoveDeps } from '@funmagic/asset/moves'
import { unpublishAsset as unpublish } from '@funmagic/asset/publishing'
import type { AssetLinks } from '@funmagic/asset/resolve-url'
import { AssetView } from '@funmagic/contract/asset'
import { problems } from '@funmagic/contract/problem'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import type { Events } from '../events.ts'
import { AssetParams } from './asset-params.ts'
import { moveTimeoutMs } from './move-timeout.ts'

interface UnpublishAssetDeps extends MoveDeps {
  readonly links: AssetLinks
  readonly events: Events
}

/** Private at once; answers when the public address serves it no longer (P3). */
export const unpublishAsset: RoutePlugin<UnpublishAssetDeps> = async (app, deps) => {
  app.post(
    '/api/assets/:assetId/unpublish',
    {
      schema: {
        summary: 'Keep an own asset to oneself again',
        description:
          'It is in no public list at once. 200 says that its bytes have left the public CDN, ' +
          'but for what browsers have kept for up to five minutes; repeat after 409 and 503.',
        params: AssetParams,
        response: {
          200: AssetView,
          ...problems(
            'INVALID_ID',
            'UNAUTHORIZED',
            'ACCOUNT_SUSPENDED',
            'NOT_FOUND',
            'ASSET_BUSY',
            'UNAVAILABLE',
          ),
        },
      },
    },
    async request => {
      const user = userOf(request)
      const own = { userId: user.id, assetId: request.params.assetId }
      const signal = AbortSignal.timeout(moveTimeoutMs)

      const { asset, isChanged } = await unpublish(deps, own, signal)

      if (isChanged) deps.events.visibilityChanged(asset, request.id)
      return deps.links.toAssetView(asset, user)
    },
  )
}
