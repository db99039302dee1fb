import type { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { findAsset } from '@funmagic/asset/catalog'
import { findAssets } from '@funmagic/asset/gallery'
import type { ObjectStore } from '@funmagic/asset/object-store'
import type { Slots } from '@funmagic/asset/slots'
import { assetIdsMax } from '@funmagic/contract/gallery'
import { isId, type AssetId } from '@funmagic/contract/ids'
import { AppError, problems } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import Type from 'typebox'
import { archiveAssets } from '../asset-archive.ts'
import type { Events } from '../events.ts'

interface DownloadAssetsDeps {
  readonly database: Database
  readonly store: ObjectStore
  /** Archives that are made at once. */
  readonly downloads: Slots
  readonly events: Events
}

const idLength = 36
const deadlineMs = 600_000

const DownloadQuery = Type.Object(
  {
    ids: Type.String({
      minLength: idLength,
      maxLength: assetIdsMax * (idLength + 1),
      description: `Up to ${assetIdsMax} ids with commas between`,
      examples: ['0199d5b0-7a3c-7c1e-9f52-6f1f0c1f7a10'],
    }),
  },
  { additionalProperties: false },
)

const Archive = Type.Unsafe<Readable>({ type: 'string', format: 'binary' })

/** Own assets as one ZIP, a plain link: it is sent while it is made and kept nowhere. */
export const downloadAssets: RoutePlugin<DownloadAssetsDeps> = async (app, deps) => {
  app.get(
    '/api/assets/download',
    {
      schema: {
        summary: 'Up to 200 own assets in a ZIP',
        description: 'The last file, manifest.json, has every SHA-256 and says what is missing.',
        querystring: DownloadQuery,
        response: {
          200: {
            description: 'The archive',
            content: {
              'application/zip': { schema: Archive },
            },
          },
          ...problems('VALIDATION_FAILED', 'UNAUTHORIZED', 'NOT_FOUND', 'OVERLOADED'),
        },
      },
    },
    async (request, reply) => {
      const userId = userOf(request).id
      const ids = readIds(request.query.ids)
      const { found, missing } = await findAssets(deps.database, { userId, ids })
      // Another's asset answers like one that is not there, and neither is left out in silence.
      if (missing.length > 0) throw new AppError('NOT_FOUND', { details: { missing } })

      await deps.downloads.use(async () => {
        const signal = AbortSignal.timeout(deadlineMs)
        const { database, store } = deps
        const find = (assetId: AssetId) => findAsset(database, { userId, assetId })
        const archive = archiveAssets({ store, find }, found, signal)
        const name = `funmagic-${new Date().toISOString().slice(0, 10)}.zip`
        reply
          .header('content-type', 'application/zip')
          .header('content-disposition', `attachment; filename="${name}"`)
          .header('cache-control', 'private, no-store')
        void reply.send(archive)
        const outcome = await settle(finished(archive))
        deps.events.archiveSent({ userId, requestId: request.id, files: found.length, outcome })
      })
      return reply
    },
  )
}

/** The client that goes away and the store that fails both end the archive early. */
async function settle(end: Promise<void>): Promise<'sent' | 'broken'> {
  try {
    await end
    return 'sent'
  } catch {
    // The reply has begun, so that it breaks off is all that can be told to its reader.
    return 'broken'
  }
}

function readIds(text: string): AssetId[] {
  const ids = [...new Set(text.split(','))]
  if (ids.length > assetIdsMax || !ids.every(isId)) {
    throw new AppError('VALIDATION_FAILED', { details: { field: 'ids' } })
  }
  return ids
}
