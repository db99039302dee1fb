import type { Place } from './asset.ts'

/** A PUT for somebody else to send, with exactly these headers. */
export interface UploadRequest {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

export interface PartTerms {
  readonly multipartId: string
  /** From 1. */
  readonly partNumber: number
  readonly sizeBytes: number
  readonly signedAt: Date
  readonly expiresInSeconds: number
}

export interface SentPart {
  readonly partNumber: number
  readonly sizeBytes: number
  readonly etag: string
}

/**
 * Objects that arrive in parts: nobody sees one before it is joined, and what was begun stays
 * until it is joined or abandoned. Calls end and fail as those of ObjectStore.
 */
export interface PartStore {
  /** The store's name of an object that is about to arrive. */
  begin(place: Place, object: { mimeType: string }): Promise<string>
  /** One PUT of one part: its length is signed. Sent again, it takes the place of the first. */
  presign(place: Place, terms: PartTerms): Promise<UploadRequest>
  /** What has arrived, or undefined when it has been joined or abandoned. */
  list(place: Place, multipartId: string): Promise<SentPart[] | undefined>
  /**
   * Makes one object of the parts. False, and nothing is changed, when the place is taken, or the
   * parts are not those any more.
   */
  join(place: Place, whole: { multipartId: string; parts: readonly SentPart[] }): Promise<boolean>
  /** Removes all parts that were ever sent for the place; the bytes of a joined object stay. */
  abandon(place: Place): Promise<void>
}
