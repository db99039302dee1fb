import type { MoveDeps } from '@funmagic/asset/moves'
import { deleteAsset as remove } from '@funmagic/asset/publishing'
import { problems } from '@funmagic/contract/problem'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import Type from 'typebox'
import type { Events } from '../events.ts'
import { AssetParams } from './asset-params.ts'

interface DeleteAssetDeps extends MoveDeps {
  readonly events: Events
}

const moveTimeoutMs = 10_000

/** Gone for everybody at once; the bytes follow when no signed address can be out there (S8). */
export const deleteAsset: RoutePlugin<DeleteAssetDeps> = async (app, deps) => {
  app.delete(
    '/api/assets/:assetId',
    {
      schema: {
        summary: 'Delete one of the own assets',
        params: AssetParams,
        response: {
          204: Type.Null({ description: 'Deleted' }),
          ...problems('INVALID_ID', 'UNAUTHORIZED', 'NOT_FOUND'),
        },
      },
    },
    async (request, reply) => {
      const own = { userId: userOf(request).id, assetId: request.params.assetId }
      await remove(deps, own, AbortSignal.timeout(moveTimeoutMs))
      deps.events.deleted()
      return reply.code(204).send(null)
    },
  )
}
