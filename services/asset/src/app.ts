import type { MoveDeps } from '@funmagic/asset/moves'
import type { AssetLinks } from '@funmagic/asset/resolve-url'
import type { Slots } from '@funmagic/asset/slots'
import type { CompletionDeps } from '@funmagic/asset/upload-completion'
import type { UploadQuota } from '@funmagic/asset/upload-quota'
import {
  createServer,
  type HttpServer,
  type RoutePlugin,
  type ServerOptions,
} from '@funmagic/runtime/http-server'
import { createFeatures } from '@funmagic/session/features'
import type { GalleryCookieScope } from '@funmagic/session/gallery-cookies'
import { registerRateLimits } from '@funmagic/session/limit-requests'
import type { RateLimits } from '@funmagic/session/rate-limits'
import {
  registerSession,
  requireRole,
  requireSession,
  requireUser,
  type SessionPluginOptions,
} from '@funmagic/session/require-user'
import { tagReply } from './entity-tags.ts'
import type { Events } from './events.ts'
import { createQuotas } from './quotas.ts'
import { cancelUpload } from './routes/cancel-upload.ts'
import { completePlatformUpload } from './routes/complete-platform-upload.ts'
import { completeUpload } from './routes/complete-upload.ts'
import { createPlatformUpload } from './routes/create-platform-upload.ts'
import { createUpload } from './routes/create-upload.ts'
import { deleteAsset } from './routes/delete-asset.ts'
import { deleteAssets } from './routes/delete-assets.ts'
import { downloadAssets } from './routes/download-assets.ts'
import { editAsset } from './routes/edit-asset.ts'
import { gallerySession } from './routes/gallery-session.ts'
import { getAsset } from './routes/get-asset.ts'
import { getLimits } from './routes/get-limits.ts'
import { getPublished } from './routes/get-published.ts'
import { getUpload } from './routes/get-upload.ts'
import { listAssets } from './routes/list-assets.ts'
import { listEvents } from './routes/list-events.ts'
import { listPlatformAssets } from './routes/list-platform-assets.ts'
import { listPublished } from './routes/list-published.ts'
import { moderateAsset, readForReason } from './routes/moderate-asset.ts'
import { deletePlatformAsset, getPlatformAsset } from './routes/platform-asset.ts'
import { openShareLink } from './routes/open-share-link.ts'
import { publishAsset } from './routes/publish-asset.ts'
import { resolveAssets } from './routes/resolve-assets.ts'
import { changeLink, createLink, readLinks } from './routes/share-links.ts'
import { signParts } from './routes/sign-parts.ts'
import { signUpload } from './routes/sign-upload.ts'
import { unpublishAsset } from './routes/unpublish-asset.ts'
import { platformUploads, userUploads } from './routes/upload-params.ts'

export interface AssetDeps {
  readonly server: Omit<ServerOptions, 'service' | 'title' | 'description'>
  readonly session: SessionPluginOptions
  readonly limits: RateLimits
  readonly files: MoveDeps & Omit<CompletionDeps, 'quota'>
  /** Of the lowest tier. */
  readonly quota: UploadQuota
  readonly links: AssetLinks
  readonly gallery: {
    readonly cookieScope: GalleryCookieScope | undefined
    readonly downloads: Slots
  }
  readonly events: Events
}

export async function buildApp(deps: AssetDeps): Promise<HttpServer> {
  const { files, links, gallery, events } = deps
  const { database } = files
  const features = createFeatures({
    database,
    onError: error => events.connectionFailed('postgres', error),
  })
  const quotaOf = createQuotas(deps.quota, deps.limits)
  const httpServer = await createServer({
    ...deps.server,
    service: 'asset',
    title: 'FunMagic assets',
    description: 'Uploads, the gallery, and publishing',
  })
  const { app } = httpServer
  await app.register(registerSession, deps.session)
  await app.register(registerRateLimits, { limits: deps.limits })

  await app.register(async publicRoutes => {
    publicRoutes.addHook('onSend', tagReply)
    await publicRoutes.register(listPublished, { database, links })
    await publicRoutes.register(getPublished, { database, links })
  })
  // Not for everybody, so not with the replies above that caches may keep.
  await app.register(openShareLink, { database, links, events })

  // Before the body is read: a stranger learns nothing about what is wrong with it.
  await app.register(async readers => {
    readers.addHook('onRequest', requireSession)
    await readers.register(getLimits, { database, quotaOf })
    await readers.register(listAssets, { database, links })
    await readers.register(resolveAssets, { database, links })
    await readers.register(gallerySession, { links, cookieScope: gallery.cookieScope })
    await readers.register(downloadAssets, { ...files, downloads: gallery.downloads, events })
    await readers.register(deleteAssets, { ...files, events })
    await readers.register(readLinks, { database })
    await readers.register(getAsset, { database, links })
    await readers.register(listEvents, { database })
    await readers.register(deleteAsset, { ...files, events })
  })
  await app.register(async users => {
    users.addHook('onRequest', requireUser)
    await users.register(createUpload, { ...files, quotaOf, events })
    const uploads = userUploads
    await users.register(signUpload, { ...files, uploads })
    await users.register(signParts, { ...files, uploads })
    await users.register(getUpload, { ...files, uploads })
    await users.register(completeUpload, { ...files, quotaOf, links, events })
    await users.register(cancelUpload, { ...files, uploads, events })
    await users.register(createLink, { database, links, events, features })
    await users.register(changeLink, { database, links, events })
    await users.register(editAsset, { database, links })
    await users.register(publishAsset, { ...files, links, events, features })
    await users.register(unpublishAsset, { ...files, links, events })
  })

  await app.register(administer, deps)
  return httpServer
}

/** What the platform keeps for itself, and what administrators may do to users' assets. */
const administer: RoutePlugin<AssetDeps> = async (app, { files, quota, links, events }) => {
  const { database } = files
  const uploads = platformUploads
  app.addHook('onRequest', requireRole('admin'))
  await app.register(createPlatformUpload, { ...files, quota, events })
  await app.register(signUpload, { ...files, uploads })
  await app.register(signParts, { ...files, uploads })
  await app.register(getUpload, { ...files, uploads })
  await app.register(completePlatformUpload, { ...files, quota, links, events })
  await app.register(cancelUpload, { ...files, uploads, events })
  await app.register(listPlatformAssets, { database, links })
  await app.register(getPlatformAsset, { ...files, links, events })
  await app.register(deletePlatformAsset, { ...files, links, events })
  await app.register(moderateAsset, { ...files, links, events })
  await app.register(readForReason, { ...files, links, events })
}
