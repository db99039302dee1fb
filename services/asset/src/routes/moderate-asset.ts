import { ownerOf, readAssetForReason } from '@funmagic/asset/moderation'
import type { MoveDeps } from '@funmagic/asset/moves'
import { deleteAsset, unpublishAsset } from '@funmagic/asset/publishing'
import type { AssetLinks } from '@funmagic/asset/resolve-url'
import { AuditedAddress, Moderation } from '@funmagic/contract/gallery'
import { AppError, problems } from '@funmagic/contract/problem'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import Type from 'typebox'
import type { Events } from '../events.ts'
import { AssetParams } from './asset-params.ts'
import { moveTimeoutMs } from './move-timeout.ts'

interface ModerateAssetDeps extends MoveDeps {
  readonly links: AssetLinks
  readonly events: Events
}

const refusals = [
  'INVALID_ID',
  'VALIDATION_FAILED',
  'UNAUTHORIZED',
  'FORBIDDEN',
  'NOT_FOUND',
] as const

const done = Type.Null({ description: 'Done' })
const schema = { params: AssetParams, body: Moderation }

/** What administrators may do to anybody's asset, with a reason; publishing is not of it (S6). */
export const moderateAsset: RoutePlugin<ModerateAssetDeps> = async (app, deps) => {
  const { database, events } = deps

  app.post(
    '/api/admin/assets/:assetId/unpublish',
    {
      schema: {
        ...schema,
        summary: 'Take somebody’s asset out of the public',
        response: { 204: done, ...problems(...refusals, 'ASSET_BUSY', 'UNAVAILABLE') },
      },
    },
    async (request, reply) => {
      const { assetId } = request.params
      const moderator = { id: userOf(request).id, reason: request.body.reason }
      const userId = await ownerOf(database, assetId)
      const signal = AbortSignal.timeout(moveTimeoutMs)

      const { asset, isChanged } = await unpublishAsset(
        deps,
        { userId, assetId, moderator },
        signal,
      )

      if (isChanged) events.visibilityChanged(asset, request.id)
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/api/admin/assets/:assetId/delete',
    {
      schema: {
        ...schema,
        summary: 'Delete somebody’s asset',
        response: { 204: done, ...problems(...refusals) },
      },
    },
    async (request, reply) => {
      const { assetId } = request.params
      const moderator = { id: userOf(request).id, reason: request.body.reason }
      const userId = await ownerOf(database, assetId)

      const signal = AbortSignal.timeout(moveTimeoutMs)
      await deleteAsset(deps, { userId, assetId, moderator }, signal)

      events.assetDeleted({ assetId, userId, requestId: request.id })
      return reply.code(204).send(null)
    },
  )
}

/** Private bytes for an administrator's eyes, straight from the store and told to the owner. */
export const readForReason: RoutePlugin<ModerateAssetDeps> = async (app, { database, links }) => {
  app.post(
    '/api/admin/assets/:assetId/read',
    {
      schema: {
        ...schema,
        summary: 'An address of somebody’s asset, for five minutes',
        description: 'Its owner sees in its history that it was read, and why.',
        response: { 200: AuditedAddress, ...problems(...refusals) },
      },
    },
    async request => {
      const { assetId } = request.params
      const moderator = { id: userOf(request).id, reason: request.body.reason }
      const asset = await readAssetForReason(database, assetId, moderator)
      const { url, expiresAt } = await links.resolveForAudit(asset)
      if (expiresAt === null) throw new AppError('NOT_FOUND')
      return { url, urlExpiresAt: expiresAt.toISOString() }
    },
  )
}
