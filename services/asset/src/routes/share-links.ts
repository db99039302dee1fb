import type { AssetLinks } from '@funmagic/asset/resolve-url'
import {
  createShareLink,
  editShareLink,
  listShareLinks,
  readShareLink,
  revokeShareLink,
} from '@funmagic/asset/share-links'
import { Id } from '@funmagic/contract/ids'
import { Page, pageLimitDefault } from '@funmagic/contract/page'
import { problems } from '@funmagic/contract/problem'
import {
  CreatedShareLink,
  CreateShareLink,
  EditShareLink,
  ListShareLinksQuery,
  ShareLinkView,
} from '@funmagic/contract/share-link'
import type { Database } from '@funmagic/database/client'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { hashRequest, IdempotencyHeaders } from '@funmagic/runtime/idempotency'
import type { Features } from '@funmagic/session/features'
import { userOf } from '@funmagic/session/require-user'
import Type from 'typebox'
import type { Events } from '../events.ts'

interface ShareLinksDeps {
  readonly database: Database
  readonly links: AssetLinks
  readonly events: Events
}

interface CreateLinkDeps extends ShareLinksDeps {
  readonly features: Features
}

const LinkParams = Type.Object({ linkId: Id })
const ownProblems = problems(
  'INVALID_ID',
  'VALIDATION_FAILED',
  'UNAUTHORIZED',
  'ACCOUNT_SUSPENDED',
  'NOT_FOUND',
)

/** A secret address for some of one's assets, for whoever is given it (P4). */
export const createLink: RoutePlugin<CreateLinkDeps> = async (app, given) => {
  const { database, links, events, features } = given
  app.post(
    '/api/assets/share-links',
    {
      schema: {
        summary: 'Make a link that shows own assets, private ones too, to whoever has it',
        description: 'The token is told now and never again; only its digest is kept.',
        headers: IdempotencyHeaders,
        body: CreateShareLink,
        response: {
          201: CreatedShareLink,
          ...problems(
            'VALIDATION_FAILED',
            'INVALID_IDEMPOTENCY_KEY',
            'UNAUTHORIZED',
            'ACCOUNT_SUSPENDED',
            'FEATURE_OFF',
            'NOT_FOUND',
          ),
          ...problems('IDEMPOTENCY_MISMATCH', 'TOO_MANY_SHARE_LINKS', 'OVERLOADED'),
        },
      },
    },
    async (request, reply) => {
      const { body } = request
      const userId = userOf(request).id
      await features.requireOpen('share-links', userId)
      const key = request.headers['idempotency-key']
      const idempotency = key === undefined ? undefined : { key, requestHash: hashRequest(body) }

      const deps = { database, tokenOf: (linkId: string) => links.shareTokenOf(linkId) }
      const { link, token } = await createShareLink(deps, { userId, body, idempotency })

      events.shareLinkUsed('created', { linkId: link.id, requestId: request.id })
      reply.header('cache-control', 'no-store')
      return reply.code(201).send({ ...link, token, url: `/share#${token}` })
    },
  )
}

export const readLinks: RoutePlugin<Pick<ShareLinksDeps, 'database'>> = async (app, deps) => {
  app.get(
    '/api/assets/share-links',
    {
      schema: {
        summary: 'Own share links, newest first, with how often each was used',
        querystring: ListShareLinksQuery,
        response: {
          200: Page(ShareLinkView),
          ...problems('VALIDATION_FAILED', 'INVALID_CURSOR', 'UNAUTHORIZED'),
        },
      },
    },
    async request => {
      const { limit = pageLimitDefault, cursor } = request.query
      return listShareLinks(deps.database, userOf(request).id, { limit, cursor })
    },
  )

  app.get(
    '/api/assets/share-links/:linkId',
    {
      schema: {
        summary: 'One own share link',
        params: LinkParams,
        response: { 200: ShareLinkView, ...problems('INVALID_ID', 'UNAUTHORIZED', 'NOT_FOUND') },
      },
    },
    async request => {
      const { linkId } = request.params
      return readShareLink(deps.database, { userId: userOf(request).id, linkId })
    },
  )
}

export const changeLink: RoutePlugin<ShareLinksDeps> = async (app, { database, events }) => {
  app.patch(
    '/api/assets/share-links/:linkId',
    {
      schema: {
        summary: 'Change what an own share link allows, or how long',
        description: 'From its next use on. Another password ends what the one before has opened.',
        params: LinkParams,
        body: EditShareLink,
        response: { 200: ShareLinkView, ...ownProblems, ...problems('CONFLICT', 'OVERLOADED') },
      },
    },
    async request => {
      const own = { userId: userOf(request).id, linkId: request.params.linkId }
      return editShareLink(database, own, request.body)
    },
  )

  app.delete(
    '/api/assets/share-links/:linkId',
    {
      schema: {
        summary: 'End an own share link at once',
        description: 'Addresses that it has given out end within 15 minutes.',
        params: LinkParams,
        response: {
          204: Type.Null(),
          ...problems('INVALID_ID', 'UNAUTHORIZED', 'ACCOUNT_SUSPENDED', 'NOT_FOUND'),
        },
      },
    },
    async (request, reply) => {
      const { linkId } = request.params
      await revokeShareLink(database, { userId: userOf(request).id, linkId })
      events.shareLinkUsed('revoked', { linkId, requestId: request.id })
      return reply.code(204).send(null)
    },
  )
}
