import type { MoveDeps } from '@funmagic/asset/moves'
import { publishAsset as publish } from '@funmagic/asset/publishing'
import type { AssetLinks } from '@funmagic/asset/resolve-url'
import { AssetView } from '@funmagic/contract/asset'
import { problems } from '@funmagic/contract/problem'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import type { Events } from '../events.ts'
import { AssetParams } from './asset-params.ts'

interface PublishAssetDeps extends MoveDeps {
  readonly links: AssetLinks
  readonly events: Events
}

const moveTimeoutMs = 10_000

/** The instant switch (P1): public at once, under an address that works while the bytes move. */
export const publishAsset: RoutePlugin<PublishAssetDeps> = async (app, deps) => {
  app.post(
    '/api/assets/:assetId/publish',
    {
      schema: {
        summary: 'Make an asset public',
        params: AssetParams,
        response: {
          200: AssetView,
          ...problems('INVALID_ID', 'UNAUTHORIZED', 'NOT_FOUND', 'CONFLICT'),
        },
      },
    },
    async request => {
      const user = userOf(request)
      const own = { userId: user.id, assetId: request.params.assetId }
      const { asset, isChanged } = await publish(deps, own, AbortSignal.timeout(moveTimeoutMs))
      if (isChanged) deps.events.published(asset)
      return deps.links.toAssetView(asset, user)
    },
  )
}
