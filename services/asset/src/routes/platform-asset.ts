import { continueDeletion, type Deletion } from '@funmagic/asset/deletions'
import type { MoveDeps } from '@funmagic/asset/moves'
import { openPlatformDeletion, readPlatformAsset } from '@funmagic/asset/platform-assets'
import type { AssetLinks } from '@funmagic/asset/resolve-url'
import { PlatformAssetView } from '@funmagic/contract/platform-asset'
import { problems } from '@funmagic/contract/problem'
import { inTransaction } from '@funmagic/database/transaction'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { recordChange } from '@funmagic/session/admin-events'
import { userOf } from '@funmagic/session/require-user'
import Type from 'typebox'
import type { Events } from '../events.ts'
import { describeForAudit, occasionOf, withAddresses, withoutAddresses } from '../platform-views.ts'
import { AssetParams } from './asset-params.ts'
import { moveTimeoutMs } from './move-timeout.ts'

interface PlatformAssetDeps extends MoveDeps {
  readonly links: AssetLinks
  readonly events: Events
}

const refusals = problems('INVALID_ID', 'UNAUTHORIZED', 'FORBIDDEN', 'NOT_FOUND')

/** One file of the platform; that its uploader was given an audit file is in its history. */
export const getPlatformAsset: RoutePlugin<PlatformAssetDeps> = async (app, deps) => {
  app.get(
    '/api/admin/assets/:assetId',
    {
      schema: {
        summary: 'One file of the platform',
        description:
          'The address of an audit file is good for five minutes and only for who uploaded it; ' +
          'others POST …/read with a reason.',
        params: AssetParams,
        response: { 200: PlatformAssetView, ...refusals },
      },
    },
    async request => {
      const user = userOf(request)
      const { assetId } = request.params
      const { asset, isHandedOut } = await readPlatformAsset(deps.database, assetId, user)
      return isHandedOut ? withAddresses(deps.links, asset, user) : withoutAddresses(asset)
    },
  )
}

/** Gone at once from every list; the edges forget an ops file. */
export const deletePlatformAsset: RoutePlugin<PlatformAssetDeps> = async (app, deps) => {
  const { database, events } = deps

  app.delete(
    '/api/admin/assets/:assetId',
    {
      schema: {
        summary: 'Delete a file of the platform',
        description:
          'Its address stops at once, but browsers that have it may keep it for a year: take it ' +
          'out of what shows it first.',
        params: AssetParams,
        response: { 204: Type.Null({ description: 'Deleted' }), ...refusals },
      },
    },
    async (request, reply) => {
      const { assetId } = request.params
      const occasion = occasionOf(request, 'asset.deleted')
      const { actor } = occasion

      const deletion = await inTransaction(database, async (tx): Promise<Deletion> => {
        const opened = await openPlatformDeletion(tx, assetId, actor)
        const before = describeForAudit(opened.asset)
        await recordChange(tx, occasion, async () => ({ subjectId: assetId, before }))
        return opened.deletion
      })
      await continueDeletion(deps, deletion, AbortSignal.timeout(moveTimeoutMs))

      events.assetDeleted({ assetId, userId: actor.id, requestId: request.id })
      events.adminChanged(occasion, assetId)
      return reply.code(204).send(null)
    },
  )
}
