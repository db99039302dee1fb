import type { MoveDeps } from '@funmagic/asset/moves'
import { publishAsset as publish } from '@funmagic/asset/publishing'
import type { AssetLinks } from '@funmagic/asset/resolve-url'
import { AssetView } from '@funmagic/contract/asset'
import { problems } from '@funmagic/contract/problem'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import type { Events } from '../events.ts'
import { AssetParams } from './asset-params.ts'
import { moveTimeoutMs } from './move-timeout.ts'

interface PublishAssetDeps extends MoveDeps {
  readonly links: AssetLinks
  readonly events: Events
}

/** The instant switch (P1): public at once, under an address that works while the bytes move. */
export const publishAsset: RoutePlugin<PublishAssetDeps> = async (app, deps) => {
  app.post(
    '/api/assets/:assetId/publish',
    {
      schema: {
        summary: 'Show an own asset to everybody',
        description:
          'It is public at once. While its bytes are on their way to the public CDN, `url` is a ' +
          'signed address that works for everybody, and `urlExpiresAt` says how long.',
        params: AssetParams,
        response: { 200: AssetView, ...problems('INVALID_ID', 'UNAUTHORIZED', 'NOT_FOUND') },
      },
    },
    async request => {
      const user = userOf(request)
      const own = { userId: user.id, assetId: request.params.assetId }
      const signal = AbortSignal.timeout(moveTimeoutMs)

      const { asset, isChanged } = await publish(deps, own, signal)

      if (isChanged) deps.events.visibilityChanged(asset, request.id)
      return deps.links.toAssetView(asset, user)
    },
  )
}
