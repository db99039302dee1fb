import { signParts as sign } from '@funmagic/asset/upload-parts'
import type { UploadDeps } from '@funmagic/asset/uploads'
import { SignParts, UploadParts } from '@funmagic/contract/asset'
import { problems } from '@funmagic/contract/problem'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import { UploadParams, type UploadRoutes } from './upload-params.ts'

interface SignPartsDeps extends Pick<UploadDeps, 'database' | 'store'> {
  readonly uploads: UploadRoutes
}

/** Addresses for the next few parts of a large file, just before they are sent (U3). */
export const signParts: RoutePlugin<SignPartsDeps> = async (app, { uploads, ...deps }) => {
  const { path, side, refusals } = uploads

  app.post(
    `${path}/:uploadId/parts`,
    {
      schema: {
        summary: 'Ask for the addresses of a few parts',
        description:
          'Send each part with exactly its headers; sent again, it takes the place of the first. ' +
          'GET the upload for the parts that have arrived.',
        params: UploadParams,
        body: SignParts,
        response: {
          200: UploadParts,
          ...refusals,
          ...problems(
            'INVALID_ID',
            'VALIDATION_FAILED',
            'NOT_FOUND',
            'CONFLICT',
            'TICKET_EXPIRED',
            'UNAVAILABLE',
          ),
        },
      },
    },
    request => {
      const own = { userId: userOf(request).id, uploadId: request.params.uploadId, side }
      return sign(deps, own, request.body.partNumbers)
    },
  )
}
