import { signUpload as sign, type UploadDeps } from '@funmagic/asset/uploads'
import { UploadTicket } from '@funmagic/contract/asset'
import { problems } from '@funmagic/contract/problem'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import { UploadParams, type UploadRoutes } from './upload-params.ts'

interface SignUploadDeps extends Pick<UploadDeps, 'database' | 'store'> {
  readonly uploads: UploadRoutes
}

/** A fresh address for a ticket whose address ran out before it was used (U3). */
export const signUpload: RoutePlugin<SignUploadDeps> = async (app, { uploads, ...deps }) => {
  const { path, side, refusals } = uploads

  app.post(
    `${path}/:uploadId/sign`,
    {
      schema: {
        summary: 'Ask for a fresh address for an open ticket',
        description:
          'An address is good for 15 minutes, a ticket for an hour or, with parts, for a day.',
        params: UploadParams,
        response: {
          200: UploadTicket,
          ...refusals,
          ...problems('INVALID_ID', 'NOT_FOUND', 'CONFLICT', 'TICKET_EXPIRED'),
        },
      },
    },
    request => sign(deps, { userId: userOf(request).id, uploadId: request.params.uploadId, side }),
  )
}
