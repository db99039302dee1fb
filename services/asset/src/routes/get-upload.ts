import { readProgress } from '@funmagic/asset/upload-parts'
import type { UploadDeps } from '@funmagic/asset/uploads'
import { UploadProgress } from '@funmagic/contract/asset'
import { problems } from '@funmagic/contract/problem'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import { UploadParams } from './upload-params.ts'

/** How far an upload has come, for a client that takes it up again after a refresh (U3). */
export const getUpload: RoutePlugin<Pick<UploadDeps, 'database' | 'store'>> = async (app, deps) => {
  app.get(
    '/api/assets/uploads/:uploadId',
    {
      schema: {
        summary: 'See how far an upload has come',
        params: UploadParams,
        response: {
          200: UploadProgress,
          ...problems('INVALID_ID', 'UNAUTHORIZED', 'NOT_FOUND', 'UNAVAILABLE'),
        },
      },
    },
    request =>
      readProgress(deps, { userId: userOf(request).id, uploadId: request.params.uploadId }),
  )
}
