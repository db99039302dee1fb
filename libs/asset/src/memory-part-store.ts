import { createHash, randomUUID } from 'node:crypto'
import type { Place } from './asset.ts'
import type { PartStore, PartTerms, SentPart, UploadRequest } from './part-store.ts'

interface Arriving {
  readonly place: Place
  readonly mimeType: string
  readonly parts: Map<number, Uint8Array>
}

/** Writes the joined object; false when the place is taken. */
type Create = (place: Place, bytes: Uint8Array, mimeType: string) => Promise<boolean>

/** Objects in parts, in the memory of a test; signed requests are answered by `send`. */
export class MemoryPartStore implements PartStore {
  readonly #arriving = new Map<string, Arriving>()
  readonly #requests = new Map<string, PartTerms>()
  readonly #create: Create

  constructor(create: Create) {
    this.#create = create
  }

  /** The places for which parts lie about. */
  get places(): string[] {
    return [...this.#arriving.values()].map(({ place }) => `${place.bucket}:${place.key}`)
  }

  async begin(place: Place, { mimeType }: { mimeType: string }): Promise<string> {
    const multipartId = randomUUID()
    this.#arriving.set(multipartId, { place, mimeType, parts: new Map() })
    return multipartId
  }

  async presign(place: Place, terms: PartTerms): Promise<UploadRequest> {
    const name = JSON.stringify([place, terms])
    const url = `memory://part/${createHash('sha256').update(name).digest('hex')}`
    this.#requests.set(url, terms)
    return { url, headers: { 'content-length': String(terms.sizeBytes) } }
  }

  async list(_place: Place, multipartId: string): Promise<SentPart[] | undefined> {
    const arriving = this.#arriving.get(multipartId)
    if (arriving === undefined) return undefined
    return [...arriving.parts.entries()]
      .toSorted(([a], [b]) => a - b)
      .map(([partNumber, bytes]) => ({
        partNumber,
        sizeBytes: bytes.length,
        etag: createHash('md5').update(bytes).digest('hex'),
      }))
  }

  async join(
    place: Place,
    { multipartId, parts }: { multipartId: string; parts: readonly SentPart[] },
  ): Promise<boolean> {
    const arriving = this.#arriving.get(multipartId)
    const sent = await this.list(place, multipartId)
    if (arriving === undefined || sent === undefined) return false
    const isSame = parts.every(({ partNumber, etag }) =>
      sent.some(part => part.partNumber === partNumber && part.etag === etag),
    )
    if (!isSame) return false
    const slices = parts.map(part => arriving.parts.get(part.partNumber) ?? new Uint8Array())
    if (!(await this.#create(place, Buffer.concat(slices), arriving.mimeType))) return false
    this.#arriving.delete(multipartId)
    return true
  }

  async abandon(place: Place): Promise<void> {
    for (const [multipartId, arriving] of this.#arriving) {
      const isHere = arriving.place.bucket === place.bucket && arriving.place.key === place.key
      if (isHere) this.#arriving.delete(multipartId)
    }
  }

  /** S3's answer to the PUT of a part: 200, 403 for another length or too late, 404 when gone. */
  send(request: UploadRequest, bytes: Uint8Array): number {
    const terms = this.#requests.get(request.url)
    if (terms === undefined || bytes.length !== terms.sizeBytes) return 403
    if (terms.signedAt.getTime() + terms.expiresInSeconds * 1000 < Date.now()) return 403
    const arriving = this.#arriving.get(terms.multipartId)
    if (arriving === undefined) return 404
    arriving.parts.set(terms.partNumber, Uint8Array.from(bytes))
    return 200
  }
}
