import { findPlatformAsset } from '@funmagic/asset/platform-assets'
import type { AssetLinks } from '@funmagic/asset/resolve-url'
import { completeUpload, type CompletionDeps } from '@funmagic/asset/upload-completion'
import { PlatformAssetView } from '@funmagic/contract/platform-asset'
import { AppError, problems } from '@funmagic/contract/problem'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { recordChange } from '@funmagic/session/admin-events'
import { userOf } from '@funmagic/session/require-user'
import type { Events } from '../events.ts'
import { describeForAudit, occasionOf, withAddresses } from '../platform-views.ts'
import { reportRejection } from '../upload-events.ts'
import { completionRefusals, platformUploads, UploadParams } from './upload-params.ts'

interface CompletePlatformUploadDeps extends CompletionDeps {
  readonly links: AssetLinks
  readonly events: Events
}

/** Checks what was sent as it is for users, and makes it the platform's. */
export const completePlatformUpload: RoutePlugin<CompletePlatformUploadDeps> = async (
  app,
  deps,
) => {
  const { path, side, refusals } = platformUploads
  const { database, links, events } = deps

  app.post(
    `${path}/:uploadId/complete`,
    {
      onError: async (_request, _reply, error) => reportRejection(events, 'bytes', error),
      schema: {
        summary: 'Make a file of the platform of what was uploaded',
        description:
          '201 the first time; a repeat answers 200 with the same. A changed file is another ' +
          'upload with another address: what lies at an address never changes.',
        params: UploadParams,
        response: {
          200: PlatformAssetView,
          201: PlatformAssetView,
          ...refusals,
          ...problems(...completionRefusals),
        },
      },
    },
    async (request, reply) => {
      const user = userOf(request)
      const own = { userId: user.id, uploadId: request.params.uploadId, side }
      const occasion = occasionOf(request, 'asset.created')

      const { asset, isNew } = await completeUpload(deps, own, async (tx, created) => {
        const after = describeForAudit(created)
        await recordChange(tx, occasion, async () => ({ subjectId: created.id, after }))
      })

      if (isNew) {
        events.uploadCompleted(asset, request.id)
        events.adminChanged(occasion, asset.id)
      }
      const made = await findPlatformAsset(database, asset.id)
      if (made === undefined) throw new AppError('NOT_FOUND')
      const view = await withAddresses(links, made, user)
      return reply.code(isNew ? 201 : 200).send(view)
    },
  )
}
