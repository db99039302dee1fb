import type { OutputMimeType, Visibility } from '@funmagic/contract/asset'
import type { AssetId, TaskId, UserId } from '@funmagic/contract/ids'
import type { Destination } from '@funmagic/contract/platform-asset'

/** A bucket by its role; the name of the real bucket is configuration (requirement A6). */
export type BucketRole = 'private' | 'public' | 'admin'

/** Where bytes are. */
export interface Place {
  readonly bucket: BucketRole
  readonly key: string
}

/** The smaller pictures that are made of a picture, by name: no other size is ever made (A12). */
export const derivativePresets = ['thumb', 'card'] as const
export type DerivativePreset = (typeof derivativePresets)[number]

/** What a file is for: users own theirs; ops and audit files are the platform's (A5). */
export type AssetPurpose = 'user' | Destination

/** A file that somebody is about to own: checked bytes at a private place. */
export interface NewAsset {
  readonly id: AssetId
  readonly userId: UserId
  readonly module: string
  readonly bucket: BucketRole
  readonly storageKey: string
  readonly filename: string | null
  readonly mimeType: OutputMimeType
  readonly sizeBytes: number
  readonly sha256: string
  readonly width: number | null
  readonly height: number | null
  /** The presets that are stored beside it, under keys made by derivativeKey. */
  readonly derivatives: readonly DerivativePreset[]
  /** A blur to show while the picture loads (npm thumbhash), base64. */
  readonly thumbhash: string | null
  readonly taskId: TaskId | null
  /** The place of an output among the outputs of its task. */
  readonly taskOutput: number | null
}

/** A file that somebody owns: checked bytes at a place, and who may see them (A2). */
export interface Asset extends NewAsset {
  /** Permission, at once; the bytes may still be on their way (decision 5). */
  readonly visibility: Visibility
  readonly purpose: AssetPurpose
  /** The owner's own words for it, in lower case. */
  readonly tags: readonly string[]
  /** Raised by every change of visibility or place. */
  readonly version: number
  readonly createdAt: Date
  readonly publishedAt: Date | null
}

export function placeOf(asset: Asset): Place {
  return { bucket: asset.bucket, key: asset.storageKey }
}

/** The longest life of a signed address on the private CDN (A7). */
export const signedUrlLifeSeconds = 900

/** Signed addresses that were made just before a move still work this long after it (TR1). */
export const sourceKeptSeconds = signedUrlLifeSeconds + 120

/** The longest life of an address straight to the store, for admin-private assets (decision 7). */
export const adminUrlLifeSeconds = 300
