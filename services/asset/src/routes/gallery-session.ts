import type { AssetLinks } from '@funmagic/asset/resolve-url'
import { GalleryAccess } from '@funmagic/contract/gallery'
import { problems } from '@funmagic/contract/problem'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { clearGalleryCookies, type GalleryCookieScope } from '@funmagic/session/gallery-cookies'
import { userOf } from '@funmagic/session/require-user'
import Type from 'typebox'
import { writeGalleryCookies } from '../gallery-cookies.ts'

interface GallerySessionDeps {
  readonly links: AssetLinks
  /** Without one there are no cookies, and every address is signed. */
  readonly cookieScope: GalleryCookieScope | undefined
}

/** Signed cookies for a gallery (A8): set after signing in, renewed before they end, cleared. */
export const gallerySession: RoutePlugin<GallerySessionDeps> = async (app, deps) => {
  const { links, cookieScope } = deps
  if (cookieScope === undefined) return

  app.post(
    '/api/assets/session-cookies',
    {
      schema: {
        summary: 'Let this browser fetch the own private assets by unsigned addresses',
        description:
          'Sets CloudFront’s cookies for the own folder, for 15 minutes. An address without its ' +
          'query then works in this browser, so its cache knows a picture by one name for good.',
        response: { 200: GalleryAccess, ...problems('UNAUTHORIZED') },
      },
    },
    async (request, reply) => {
      const userId = userOf(request).id
      const signed = links.signGallery(userId)
      reply.header('set-cookie', writeGalleryCookies(signed, userId, cookieScope))
      return { folderUrl: signed.folderUrl, expiresAt: signed.expiresAt.toISOString() }
    },
  )

  app.delete(
    '/api/assets/session-cookies',
    {
      schema: {
        summary: 'Take the cookies back; signing out does it too',
        response: { 204: Type.Null({ description: 'Cleared' }), ...problems('UNAUTHORIZED') },
      },
    },
    async (request, reply) => {
      reply.header('set-cookie', clearGalleryCookies(userOf(request).id, cookieScope))
      return reply.code(204).send(null)
    },
  )
}
