import type { AssetView } from '@funmagic/contract/asset'
import type { UserId } from '@funmagic/contract/ids'
import type { UserRole } from '@funmagic/contract/user'
import type { Asset } from './asset.ts'
import type { ObjectStore } from './object-store.ts'

export interface LinkSettings {
  /** https://cdn…: the public bucket. */
  readonly cdnUrl: string
  /** https://private-cdn…: the private bucket, signed addresses only. */
  readonly privateCdnUrl: string
  readonly keyPairId: string
  /** PEM of an RSA-2048 or ECDSA P-256 key. */
  readonly privateKey: string
  /** How long a signed address is the same; 0 signs each anew. */
  readonly windowSeconds: number
  /** Needed for admin-private assets only; without it they have no address. */
  readonly store?: ObjectStore | undefined
}

/** Who looks; undefined is anybody. */
export type Viewer = { readonly id: UserId; readonly role: UserRole } | undefined

export interface ResolvedUrl {
  readonly url: string
  /** Null for a public address, which does not expire. */
  readonly expiresAt: Date | null
}

/** Addresses of assets: made in this one place, never stored, without any I/O (A7, S12). */
export interface AssetLinks {
  /** NOT_FOUND when the viewer may not see the asset. */
  resolveUrl(asset: Asset, viewer: Viewer): Promise<ResolvedUrl>
  toAssetView(asset: Asset, viewer: Viewer): Promise<AssetView>
  toAssetViews(assets: readonly Asset[], viewer: Viewer): Promise<AssetView[]>
  /** The storage key behind an address on our own hosts; undefined for any other address (A14). */
  findKey(url: string): string | undefined
}

/** Parses the key once. Throws when the key or a base address is of no use. */
export declare function createAssetLinks(settings: LinkSettings): AssetLinks
