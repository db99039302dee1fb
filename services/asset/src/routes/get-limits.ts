import { pictureLimits } from '@funmagic/asset/pictures'
import { partSizeBytes, partsFromBytes, partsPerRequestMax } from '@funmagic/asset/upload-parts'
import { uploadBytesMax } from '@funmagic/asset/uploads'
import { readUsage } from '@funmagic/asset/usage'
import { UploadLimits, uploadMimeTypes } from '@funmagic/contract/asset'
import { problems } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import type { QuotaOf } from '../quotas.ts'

interface GetLimitsDeps {
  readonly database: Database
  readonly quotaOf: QuotaOf
}

/** What may be uploaded, and how much room there is, before a file is chosen (U5). */
export const getLimits: RoutePlugin<GetLimitsDeps> = async (app, { database, quotaOf }) => {
  app.get(
    '/api/assets/limits',
    {
      schema: {
        summary: 'See what may be uploaded, and how much of it',
        response: { 200: UploadLimits, ...problems('UNAUTHORIZED') },
      },
    },
    async request => {
      const userId = userOf(request).id
      const [quota, usage] = await Promise.all([quotaOf(userId), readUsage(database, userId)])
      const usedBytes = usage.keptBytes + usage.promisedBytes
      return {
        tier: quota.tier,
        mimeTypes: [...uploadMimeTypes],
        bytesMax: uploadBytesMax,
        picture: pictureLimits,
        quota: {
          bytesMax: quota.bytesPerUser,
          usedBytes,
          leftBytes: Math.max(0, quota.bytesPerUser - usedBytes),
        },
        tickets: { openMax: quota.openTicketsMax, open: usage.openTickets },
        multipart: { fromBytes: partsFromBytes, partSizeBytes, partsPerRequestMax },
      }
    },
  )
}
