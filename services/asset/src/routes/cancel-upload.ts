import { cancelUpload as cancel } from '@funmagic/asset/upload-expiry'
import type { UploadDeps } from '@funmagic/asset/uploads'
import { problems } from '@funmagic/contract/problem'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import Type from 'typebox'
import type { Events } from '../events.ts'
import { UploadParams, type UploadRoutes } from './upload-params.ts'

interface CancelUploadDeps extends Pick<UploadDeps, 'database' | 'store'> {
  readonly uploads: UploadRoutes
  readonly events: Events
}

/** Ends a ticket, whose quota returns at once. */
export const cancelUpload: RoutePlugin<CancelUploadDeps> = async (app, { uploads, ...deps }) => {
  const { path, side, refusals } = uploads

  app.delete(
    `${path}/:uploadId`,
    {
      schema: {
        summary: 'Cancel an upload',
        description: 'Its quota returns at once. A repeat answers 204 too.',
        params: UploadParams,
        response: {
          204: Type.Null(),
          ...refusals,
          ...problems('INVALID_ID', 'NOT_FOUND', 'CONFLICT'),
        },
      },
    },
    async (request, reply) => {
      const userId = userOf(request).id
      const { uploadId } = request.params

      await cancel(deps, { userId, uploadId, side })

      deps.events.uploadCanceled({ uploadId, userId, requestId: request.id })
      return reply.code(204).send(null)
    },
  )
}
