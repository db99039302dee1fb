import type { MoveDeps } from '@funmagic/asset/moves'
import { findAsset } from '@funmagic/asset/catalog'
import { type NewPost, publishAsset as publish } from '@funmagic/asset/publishing'
import type { AssetLinks } from '@funmagic/asset/resolve-url'
import { AssetView } from '@funmagic/contract/asset'
import type { AssetId, UserId } from '@funmagic/contract/ids'
import { problems } from '@funmagic/contract/problem'
import { PublishAsset } from '@funmagic/contract/publication'
import type { Database } from '@funmagic/database/client'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import type { Features } from '@funmagic/session/features'
import { userOf } from '@funmagic/session/require-user'
import { findRecipe } from '@funmagic/task/recipes'
import Type from 'typebox'
import type { Events } from '../events.ts'
import { AssetParams } from './asset-params.ts'
import { moveTimeoutMs } from './move-timeout.ts'

interface PublishAssetDeps extends MoveDeps {
  readonly links: AssetLinks
  readonly events: Events
  readonly features: Features
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
        // A body that was left out is null.
        body: Type.Union([PublishAsset, Type.Null()]),
        response: {
          200: AssetView,
          ...problems(
            'INVALID_ID',
            'VALIDATION_FAILED',
            'UNAUTHORIZED',
            'ACCOUNT_SUSPENDED',
            'NOT_FOUND',
          ),
          ...problems('FEATURE_OFF', 'ASSET_BYTES_MISSING'),
        },
      },
    },
    async request => {
      const user = userOf(request)
      await deps.features.requireOpen('publishing', user.id)
      const own = { userId: user.id, assetId: request.params.assetId }
      const post = request.body ? await describePost(deps.database, own, request.body) : undefined
      const signal = AbortSignal.timeout(moveTimeoutMs)

      const { asset, isChanged } = await publish(deps, { ...own, post }, signal)

      if (isChanged) deps.events.visibilityChanged(asset, request.id)
      return deps.links.toAssetView(asset, user)
    },
  )
}

/** What was said, with what it was made with: as it is now, whatever becomes of the task. */
async function describePost(
  database: Database,
  own: { userId: UserId; assetId: AssetId },
  said: PublishAsset,
): Promise<NewPost> {
  const taskId = (await findAsset(database, own))?.taskId
  const recipe = taskId ? await findRecipe(database, { userId: own.userId, taskId }) : undefined
  const { prompt = null, toolSlug = null, stepId = null } = recipe ?? {}
  const { caption, showPrompt = false, allowRemix = false } = said
  return { caption: caption ?? null, showPrompt, prompt, allowRemix, toolSlug, stepId }
}
