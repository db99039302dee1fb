import type { AssetLinks } from '@funmagic/asset/resolve-url'
import {
  admitVisitor,
  readLiveLink,
  takeSharedOriginal,
  visitShareLink,
  type LiveLink,
} from '@funmagic/asset/share-visits'
import { AppError, problems } from '@funmagic/contract/problem'
import {
  DownloadSharedAsset,
  OpenedShareLink,
  OpenShareLink,
  SharedDownload,
} from '@funmagic/contract/share-link'
import type { Database } from '@funmagic/database/client'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { isActive } from '@funmagic/session/users'
import { findPrompts } from '@funmagic/task/recipes'
import type { Events } from '../events.ts'

interface OpenShareLinkDeps {
  readonly database: Database
  readonly links: AssetLinks
  readonly events: Events
}

const visitorProblems = {
  ...problems('VALIDATION_FAILED', 'NOT_FOUND', 'RATE_LIMITED', 'OVERLOADED'),
  ...problems('PASSWORD_REQUIRED', 'PASSWORD_WRONG', 'FORBIDDEN'),
}

/**
 * The visitor's side of a share link; no session needed. The token comes in a body and never in a
 * path, so that no log or referrer holds it.
 */
export const openShareLink: RoutePlugin<OpenShareLinkDeps> = async (app, deps) => {
  const { database, links, events } = deps

  app.post(
    '/api/assets/share-links/open',
    {
      schema: {
        summary: 'What a share link shows, for whoever has its token',
        description: 'A link that is wrong, over or revoked is a 404, and nothing tells which.',
        body: OpenShareLink,
        response: { 200: OpenedShareLink, ...visitorProblems },
      },
    },
    async (request, reply) => {
      const link = await readLinkOfActive(database, request.body.token)
      const proof = await admitVisitor(database, link, request.body)
      const assets = await visitShareLink(database, link)

      events.shareLinkUsed('opened', { linkId: link.id, requestId: request.id })
      reply.header('cache-control', 'no-store')
      const taskIds = link.showPrompt ? assets.flatMap(({ taskId }) => taskId ?? []) : []
      const prompts = await findPrompts(database, { userId: link.userId, taskIds })
      return {
        title: link.title,
        allow: { download: link.allowDownload, showPrompt: link.showPrompt },
        expiresAt: link.expiresAt.toISOString(),
        assets: await links.toGuestAssets(assets, prompts),
        proof: proof && { value: proof.value, expiresAt: proof.expiresAt.toISOString() },
      }
    },
  )

  app.post(
    '/api/assets/share-links/download',
    {
      schema: {
        summary: 'The address of an original that a share link shows, if it allows downloads',
        body: DownloadSharedAsset,
        response: { 200: SharedDownload, ...visitorProblems },
      },
    },
    async (request, reply) => {
      const { token, proof, assetId } = request.body
      const link = await readLinkOfActive(database, token)
      await admitVisitor(database, link, { proof })
      const asset = await takeSharedOriginal(database, link, assetId)

      events.shareLinkUsed('downloaded', { linkId: link.id, requestId: request.id })
      reply.header('cache-control', 'no-store')
      const { url, expiresAt } = await links.resolveForGuest(asset)
      return { url, urlExpiresAt: expiresAt?.toISOString() ?? null }
    },
  )
}

/** What a suspended user has shared is as if it were not there. */
async function readLinkOfActive(database: Database, token: string): Promise<LiveLink> {
  const link = await readLiveLink(database, token)
  if (!(await isActive(database, link.userId))) throw new AppError('NOT_FOUND')
  return link
}
