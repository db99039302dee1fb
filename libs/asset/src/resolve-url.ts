import { createPrivateKey, type KeyObject } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { getSignedUrl } from '@aws-sdk/cloudfront-signer'
import type { AssetView } from '@funmagic/contract/asset'
import type { UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import type { UserRole } from '@funmagic/contract/user'
import {
  adminUrlLifeSeconds,
  placeOf,
  signedUrlLifeSeconds,
  type Asset,
  type DerivativePreset,
  type Place,
} from './asset.ts'
import { derivativeKey } from './object-keys.ts'
import type { ObjectStore } from './object-store.ts'

// The only code that makes addresses of assets (A7). They are made when somebody reads them and
// never stored: a private one is good for at most 15 minutes, and a public one only until the
// asset is unpublished.

export interface LinkSettings {
  /** https://cdn…: serves the public bucket. */
  readonly cdnUrl: string
  /** https://private-cdn…: serves private/ of the private bucket, to signed requests only. */
  readonly privateCdnUrl: string
  readonly keyPairId: string
  /** PEM of an RSA-2048 or ECDSA P-256 key. */
  readonly privateKey: string
  /** How long a signed address stays the same, so that browsers find it in their cache (TR3). */
  readonly windowSeconds: number
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
  /** The asset with its address, as this viewer may see it. NOT_FOUND when not at all. */
  toAssetView(asset: Asset, viewer: Viewer): Promise<AssetView>
  toAssetViews(assets: readonly Asset[], viewer: Viewer): Promise<AssetView[]>
  /** The storage key behind an address on our own hosts; undefined for any other address (A14). */
  findKey(url: string): string | undefined
}

/** Parses the key once. Throws when the key or an address in the settings is of no use. */
export function createAssetLinks(settings: LinkSettings, now: () => number = Date.now): AssetLinks {
  const cdn = originOf(settings.cdnUrl)
  const privateCdn = originOf(settings.privateCdnUrl)
  const signer = new Signer({ ...settings, origin: privateCdn }, now)

  const resolveUrl = async (asset: Asset, viewer: Viewer): Promise<ResolvedUrl> => {
    refuseUnlessVisible(asset, viewer)
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
    const key = derivativeKey(asset.storageKey, preset)
    return (await resolvePlace({ bucket: asset.bucket, key })).url
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

  return { resolveUrl, toAssetView, toAssetViews, findKey: url => findKey(url, [cdn, privateCdn]) }
}

const signaturesPerTurn = 16
const signaturesKeptMax = 10_000

/** Keys begin at the root of a distribution, so an address with a path would lose it. */
function originOf(address: string): string {
  const { origin, pathname, search } = new URL(address)
  if (pathname !== '/' || search !== '') throw new RangeError(`${address} must be an origin`)
  return origin
}

function refuseUnlessVisible(asset: Asset, viewer: Viewer): void {
  if (!isVisibleTo(asset, viewer)) throw new AppError('NOT_FOUND')
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

/** What a task did is its owner's business: others see the picture, not the task. */
function describe(
  asset: Asset,
  viewer: Viewer,
  links: Pick<AssetView, 'url' | 'urlExpiresAt' | 'thumbnailUrl' | 'cardUrl'>,
): AssetView {
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
    taskId: viewer?.id === asset.userId ? asset.taskId : null,
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

/**
 * The SDK's types admit a PEM only, but its code hands the key to node:crypto as it is, which
 * takes a parsed one: 0.8 ms instead of 2.6 ms for RSA-2048. test/resolve-url.test.ts guards it.
 */
interface CloudFrontSigner {
  getSignedUrl(input: {
    url?: string
    keyPairId: string
    privateKey: KeyObject | string | Buffer
    dateLessThan?: string | number | Date
  }): string
}
const cloudFront: CloudFrontSigner = { getSignedUrl }

/**
 * CloudFront signed addresses with a canned policy: one object, one end. The end is rounded down
 * to a window, so that within it an address is the same to the byte: browsers find it in their
 * cache, and it is signed once (ECDSA signatures would differ, so the last ones are kept).
 */
class Signer {
  readonly #settings: LinkSettings & { readonly origin: string }
  readonly #key: KeyObject
  readonly #now: () => number
  readonly #signed = new Map<string, string>()

  constructor(settings: LinkSettings & { readonly origin: string }, now: () => number) {
    if (settings.windowSeconds >= signedUrlLifeSeconds) {
      throw new RangeError('the window of signed addresses must be shorter than their life')
    }
    this.#settings = settings
    // In a .env file the line ends of a PEM are written as \n.
    this.#key = createPrivateKey(settings.privateKey.replaceAll('\\n', '\n'))
    this.#now = now
  }

  sign(key: string): ResolvedUrl {
    const nowSeconds = Math.floor(this.#now() / 1000)
    const start = nowSeconds - (nowSeconds % Math.max(this.#settings.windowSeconds, 1))
    // ISO with a Z: the SDK reads a date without a zone in local time (reliability §0, 15).
    const expiresAt = new Date((start + signedUrlLifeSeconds) * 1000)
    const name = `${expiresAt.getTime()}/${key}`
    const url = this.#signed.get(name) ?? this.#make(key, expiresAt)
    this.#keep({ name, url })
    return { url, expiresAt }
  }

  #make(key: string, expiresAt: Date): string {
    return cloudFront.getSignedUrl({
      url: `${this.#settings.origin}/${key}`,
      keyPairId: this.#settings.keyPairId,
      privateKey: this.#key,
      dateLessThan: expiresAt.toISOString(),
    })
  }

  /** The least recently used goes first. */
  #keep({ name, url }: { name: string; url: string }): void {
    this.#signed.delete(name)
    this.#signed.set(name, url)
    if (this.#signed.size <= signaturesKeptMax) return
    const [oldest] = this.#signed.keys()
    if (oldest !== undefined) this.#signed.delete(oldest)
  }
}
