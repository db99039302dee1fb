import { readProgress } from '@funmagic/asset/upload-parts'
import type { UploadDeps } from '@funmagic/asset/uploads'
import { UploadProgress } from '@funmagic/contract/asset'
import { problems } from '@funmagic/contract/problem'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import { UploadParams, type UploadRoutes } from './upload-params.ts'

interface GetUploadDeps extends Pick<UploadDeps, 'database' | 'store'> {
  readonly uploads: UploadRoutes
}

/** How far an upload has come, for a client that takes it up again after a refresh (U3). */
export const getUpload: RoutePlugin<GetUploadDeps> = async (app, { uploads, ...deps }) => {
  const { path, side, refusals } = uploads

  app.get(
    `${path}/:uploadId`,
    {
      schema: {
        summary: 'See how far an upload has come',
        params: UploadParams,
        response: {
          200: UploadProgress,
          ...refusals,
          ...problems('INVALID_ID', 'NOT_FOUND', 'UNAVAILABLE'),
        },
      },
    },
    request =>
      readProgress(deps, { userId: userOf(request).id, uploadId: request.params.uploadId, side }),
  )
}
