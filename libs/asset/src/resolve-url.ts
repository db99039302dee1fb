import { setImmediate as nextTurn } from 'node:timers/promises'
import type { AssetView } from '@funmagic/contract/asset'
import type { TaskId, UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import type { GuestAsset } from '@funmagic/contract/share-link'
import type { UserRole } from '@funmagic/contract/user'
import {
  adminUrlLifeSeconds,
  placeOf,
  type Asset,
  type DerivativePreset,
  type Place,
} from './asset.ts'
import { derivativeKey, privateFolder } from './object-keys.ts'
import type { ObjectStore } from './object-store.ts'
import { createShareTokens } from './share-secrets.ts'
import { LinkSigner, type SignedFolder, type SigningSettings } from './signed-links.ts'

// The only code that makes addresses of assets (A7). They are made when somebody reads them and
// never stored: a private one is good for at most 15 minutes, and a public one only until the
// asset is unpublished.

export interface LinkSettings extends SigningSettings {
  /** https://cdn…: serves the public bucket. */
  readonly cdnUrl: string
  /** https://private-cdn…: serves private/ of the private bucket, to signed requests only. */
  readonly privateCdnUrl: string
  /** For admin-private assets; without it they have no address. */
  readonly store?: ObjectStore | undefined
}

/** Who looks; undefined is anybody. */
export type Viewer = { readonly id: UserId; readonly role: UserRole } | undefined

export interface ResolvedUrl {
  readonly url: string
  /** Null for a public address, which does not expire. */
  readonly expiresAt: Date | null
}

export interface AssetLinks {
  /**
   * The address that works now, whether or not the bytes have followed a change of visibility
   * (decision 5). No I/O, but for the credentials that an admin-private one is signed with.
   * NOT_FOUND when the viewer may not see the asset.
   */
  resolveUrl(asset: Asset, viewer: Viewer): Promise<ResolvedUrl>
  /** Straight from the store for five minutes, for whoever has written down why (moderation.ts). */
  resolveForAudit(asset: Asset): Promise<ResolvedUrl>
  /** The original, for a visitor whom a share link with downloads has let in (share-visits.ts). */
  resolveForGuest(asset: Asset): Promise<ResolvedUrl>
  /** What such a visitor sees: smaller pictures, and the prompts that are shown. */
  toGuestAssets(
    assets: readonly Asset[],
    prompts: ReadonlyMap<TaskId, string>,
  ): Promise<GuestAsset[]>
  /** The secret of a share link, which follows from its id; only its digest is kept. */
  shareTokenOf(linkId: string): string
  /** The asset with its address, as this viewer may see it. NOT_FOUND when not at all. */
  toAssetView(asset: Asset, viewer: Viewer): Promise<AssetView>
  toAssetViews(assets: readonly Asset[], viewer: Viewer): Promise<AssetView[]>
  /**
   * What lets a browser fetch all that its user keeps to himself by unsigned addresses, for 15
   * minutes: for galleries (A8). The folder is where those addresses begin.
   */
  signGallery(userId: UserId): SignedFolder & { readonly folderUrl: string }
  /** The address of a key of the public bucket, whether or not anything is there. */
  publicUrlOf(key: string): string
  /** The storage key behind an address on our own hosts; undefined for any other address (A14). */
  findKey(url: string): string | undefined
}

/** Parses the key once. Throws when the key or an address in the settings is of no use. */
export function createAssetLinks(settings: LinkSettings, now: () => number = Date.now): AssetLinks {
  const cdn = originOf(settings.cdnUrl)
  const privateCdn = originOf(settings.privateCdnUrl)
  const signer = new LinkSigner(privateCdn, settings, now)

  const resolveUrl = async (asset: Asset, viewer: Viewer): Promise<ResolvedUrl> => {
    if (!isVisibleTo(asset, viewer)) throw new AppError('NOT_FOUND')
    return resolvePlace(placeOf(asset))
  }

  const resolvePlace = async (place: Place): Promise<ResolvedUrl> => {
    switch (place.bucket) {
      case 'public':
        return { url: `${cdn}/${place.key}`, expiresAt: null }
      case 'private':
        return signer.sign(place.key)
      case 'admin':
        return presign(settings.store, place, now)
    }
  }

  /** Smaller pictures lie beside their asset, so they have the same kind of address. */
  const findDerivative = async (asset: Asset, preset: DerivativePreset): Promise<string | null> => {
    if (!asset.derivatives.includes(preset)) return null
    return (await resolvePlace(derivativePlace(asset, preset))).url
  }

  const toAssetView = async (asset: Asset, viewer: Viewer): Promise<AssetView> => {
    const { url, expiresAt } = await resolveUrl(asset, viewer)
    return describe(asset, viewer, {
      url,
      urlExpiresAt: expiresAt?.toISOString() ?? null,
      thumbnailUrl: await findDerivative(asset, 'thumb'),
      cardUrl: await findDerivative(asset, 'card'),
    })
  }

  const toAssetViews = async (assets: readonly Asset[], viewer: Viewer): Promise<AssetView[]> => {
    const views: AssetView[] = []
    for (const [index, asset] of assets.entries()) {
      // A signature takes up to a millisecond of CPU: a long list must not hold up the others.
      if (index % signaturesPerTurn === signaturesPerTurn - 1) await nextTurn()
      views.push(await toAssetView(asset, viewer))
    }
    return views
  }

  return {
    resolveUrl,
    resolveForGuest: asset => resolvePlace(placeOf(asset)),
    toGuestAssets: (assets, prompts) => toGuestAssets(assets, prompts, findDerivative),
    shareTokenOf: createShareTokens(settings.privateKey),
    resolveForAudit: asset => presign(settings.store, placeOf(asset), now),
    toAssetView,
    toAssetViews,
    signGallery: userId => signGallery(signer, userId),
    publicUrlOf: key => `${cdn}/${key}`,
    findKey: url => findKey(url, [cdn, privateCdn]),
  }
}

function signGallery(signer: LinkSigner, userId: UserId) {
  const folder = privateFolder(userId)
  return { ...signer.signFolder(folder), folderUrl: `${signer.origin}/${folder}` }
}

const signaturesPerTurn = 16

/** Keys begin at the root of a distribution, so an address with a path would lose it. */
function originOf(address: string): string {
  const { origin, pathname, search } = new URL(address)
  if (pathname !== '/' || search !== '') throw new RangeError(`${address} must be an origin`)
  return origin
}

function isVisibleTo(asset: Asset, viewer: Viewer): boolean {
  switch (asset.visibility) {
    case 'public':
      return true
    case 'private':
      return viewer?.id === asset.userId
    case 'admin-private':
      return viewer?.role === 'admin' || viewer?.role === 'super_admin'
  }
}

async function presign(
  store: ObjectStore | undefined,
  place: Place,
  now: () => number,
): Promise<ResolvedUrl> {
  if (store === undefined) throw new AppError('NOT_FOUND')
  const expiresAt = new Date(now() + adminUrlLifeSeconds * 1000)
  const terms = { expiresInSeconds: adminUrlLifeSeconds }
  return { url: await store.presignDownload(place, terms), expiresAt }
}

/** Others see the picture, and not what its owner calls it or what it was made by. */
function describe(
  asset: Asset,
  viewer: Viewer,
  links: Pick<AssetView, 'url' | 'urlExpiresAt' | 'thumbnailUrl' | 'cardUrl'>,
): AssetView {
  const { filename, tags, taskId } = asset
  const isOwner = viewer?.id === asset.userId
  return {
    id: asset.id,
    module: asset.module,
    visibility: asset.visibility,
    mimeType: asset.mimeType,
    sizeBytes: asset.sizeBytes,
    width: asset.width,
    height: asset.height,
    sha256: asset.sha256,
    ...links,
    thumbhash: asset.thumbhash,
    ...(isOwner
      ? { filename, tags: [...tags], taskId }
      : { filename: null, tags: [], taskId: null }),
    createdAt: asset.createdAt.toISOString(),
    publishedAt: asset.publishedAt?.toISOString() ?? null,
  }
}

function findKey(url: string, origins: readonly string[]): string | undefined {
  const parsed = URL.parse(url)
  if (parsed === null || !origins.includes(parsed.origin)) return undefined
  if (parsed.username !== '' || parsed.password !== '') return undefined
  return parsed.pathname.slice(1)
}

async function toGuestAssets(
  assets: readonly Asset[],
  prompts: ReadonlyMap<TaskId, string>,
  findDerivative: (asset: Asset, preset: DerivativePreset) => Promise<string | null>,
): Promise<GuestAsset[]> {
  const views: GuestAsset[] = []
  for (const [index, asset] of assets.entries()) {
    if (index % signaturesPerTurn === signaturesPerTurn - 1) await nextTurn()
    views.push({
      ...describeForGuest(asset, prompts),
      thumbnailUrl: await findDerivative(asset, 'thumb'),
      cardUrl: await findDerivative(asset, 'card'),
    })
  }
  return views
}

function describeForGuest(
  { id, mimeType, sizeBytes, width, height, thumbhash, taskId }: Asset,
  prompts: ReadonlyMap<TaskId, string>,
): Omit<GuestAsset, 'thumbnailUrl' | 'cardUrl'> {
  const prompt = taskId === null ? null : (prompts.get(taskId) ?? null)
  return { id, mimeType, sizeBytes, width, height, thumbhash, prompt }
}

function derivativePlace({ bucket, storageKey }: Asset, preset: DerivativePreset): Place {
  return { bucket, key: derivativeKey(storageKey, preset) }
}
