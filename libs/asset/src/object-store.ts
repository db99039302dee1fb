import { AppError } from '@funmagic/contract/problem'
import type { BucketRole, Place } from './asset.ts'
import type { PartStore, UploadRequest } from './part-store.ts'

/** What the server decides about an object when it is written (reliability S9). */
export interface ObjectHeaders {
  readonly mimeType: string
  readonly cacheControl: string
  readonly contentDisposition: string
}

export interface StoredObject extends ObjectHeaders {
  readonly sizeBytes: number
}

export interface ListedObject {
  readonly key: string
  readonly sizeBytes: number
  readonly modifiedAt: Date
}

export interface ObjectCopy {
  readonly from: Place
  readonly to: Place
  readonly headers: ObjectHeaders
  /** What the copy must be: this, or what the source is. */
  readonly expected: { readonly sizeBytes: number; readonly sha256: string } | 'source'
}

/**
 * S3 copies no more in one call, and larger copies would have to be made of parts. Nothing that we
 * keep comes near it (media-types.ts and the quota bound it), so it is refused instead (P6).
 */
export const copyBytesMax = 5 * 1024 ** 3

export interface UploadTerms {
  readonly mimeType: string
  readonly sizeBytes: number
  /** Hex; when given, the store refuses other bytes. */
  readonly sha256: string | null
  /** The address depends on it and not on the clock: the same terms give the same address. */
  readonly signedAt: Date
  readonly expiresInSeconds: number
}

/** The store did not answer, or not as it must. Answered as UNAVAILABLE (503). */
export class StoreFailure extends AppError {
  constructor(cause: unknown) {
    super('UNAVAILABLE', { cause, retryAfterSeconds: 2 })
    this.name = 'StoreFailure'
  }
}

/**
 * Objects in three buckets. Every call ends within a bound, or when its signal aborts, and throws
 * StoreFailure when the store does not answer as it must.
 */
export interface ObjectStore {
  /** Resolves when the store answers a signed request. */
  check(): Promise<void>
  /** What is at the place, or undefined. */
  find(place: Place): Promise<StoredObject | undefined>
  /** All the bytes, or undefined when nothing is there. PAYLOAD_TOO_LARGE above the limit. */
  read(place: Place, limits: { bytesMax: number }): Promise<Uint8Array | undefined>
  /** The bytes as they come, or undefined; the stream fails when the signal aborts. */
  open(place: Place, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined>
  /** What lies in a bucket after a key, in the order of the bytes of its keys, up to a limit. */
  list(bucket: BucketRole, range: { after: string; limit: number }): Promise<ListedObject[]>
  /** Writes once, verified by the store; false, and nothing is changed, when the place is taken. */
  create(place: Place, bytes: Uint8Array, headers: ObjectHeaders): Promise<boolean>
  /**
   * Resolves when the copy is known to have this size and SHA-256. Repeating it is harmless.
   * PAYLOAD_TOO_LARGE above copyBytesMax.
   */
  copy(copy: ObjectCopy, signal: AbortSignal): Promise<void>
  /** Removes the object; removing nothing is no fault. */
  remove(place: Place): Promise<void>
  /** One PUT to an empty place: type, length and, when known, checksum are signed. */
  presignUpload(place: Place, terms: UploadTerms): Promise<UploadRequest>
  /** Objects that arrive in parts. */
  readonly parts: PartStore
  /** A GET straight from the store, for admin-private assets only (A7). */
  presignDownload(place: Place, terms: { expiresInSeconds: number }): Promise<string>
  /** Closes the connections. */
  close(): void
}
