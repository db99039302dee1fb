import type { AssetLinks } from '@funmagic/asset/resolve-url'
import { completeUpload as complete, type CompletionDeps } from '@funmagic/asset/upload-completion'
import { AssetView } from '@funmagic/contract/asset'
import { problems } from '@funmagic/contract/problem'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import type { Events } from '../events.ts'
import type { QuotaOf } from '../quotas.ts'
import { reportRejection } from '../upload-events.ts'
import { completionRefusals, UploadParams } from './upload-params.ts'

interface CompleteUploadDeps extends Omit<CompletionDeps, 'quota'> {
  readonly quotaOf: QuotaOf
  readonly links: AssetLinks
  readonly events: Events
}

/** Checks what was sent and makes an asset of it (U2). */
export const completeUpload: RoutePlugin<CompleteUploadDeps> = async (app, deps) => {
  app.post(
    '/api/assets/uploads/:uploadId/complete',
    {
      onError: async (_request, _reply, error) => reportRejection(deps.events, 'bytes', error),
      schema: {
        summary: 'Make an asset of what was uploaded',
        description: '201 the first time; a repeat answers 200 with the same asset.',
        params: UploadParams,
        response: {
          200: AssetView,
          201: AssetView,
          ...problems('UNAUTHORIZED', 'ACCOUNT_SUSPENDED', 'QUOTA_EXCEEDED', ...completionRefusals),
        },
      },
    },
    async (request, reply) => {
      const user = userOf(request)
      const { uploadId } = request.params

      const { asset, isNew } = await complete(
        { ...deps, quota: await deps.quotaOf(user.id) },
        { userId: user.id, uploadId },
      )

      if (isNew) deps.events.uploadCompleted(asset, request.id)
      return reply.code(isNew ? 201 : 200).send(await deps.links.toAssetView(asset, user))
    },
  )
}
