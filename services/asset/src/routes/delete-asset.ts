import type { MoveDeps } from '@funmagic/asset/moves'
import { deleteAsset as remove } from '@funmagic/asset/publishing'
import { problems } from '@funmagic/contract/problem'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import Type from 'typebox'
import type { Events } from '../events.ts'
import { AssetParams } from './asset-params.ts'
import { moveTimeoutMs } from './move-timeout.ts'

interface DeleteAssetDeps extends MoveDeps {
  readonly events: Events
}

/** Gone for everybody at once; the bytes follow when no signed address can be out there (S8). */
export const deleteAsset: RoutePlugin<DeleteAssetDeps> = async (app, deps) => {
  app.delete(
    '/api/assets/:assetId',
    {
      schema: {
        summary: 'Delete an own asset',
        description:
          'It is in no list from now on. Addresses that were handed out for a private asset ' +
          'work until they expire; a public one stops at once, but for what browsers have kept.',
        params: AssetParams,
        response: {
          204: Type.Null({ description: 'Deleted' }),
          ...problems('INVALID_ID', 'UNAUTHORIZED', 'NOT_FOUND'),
        },
      },
    },
    async (request, reply) => {
      const userId = userOf(request).id
      const { assetId } = request.params

      await remove(deps, { userId, assetId }, AbortSignal.timeout(moveTimeoutMs))

      deps.events.assetDeleted({ assetId, userId, requestId: request.id })
      return reply.code(204).send(null)
    },
  )
}
