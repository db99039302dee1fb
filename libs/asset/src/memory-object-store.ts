import { createHash, randomUUID } from 'node:crypto'
import { AppError } from '@funmagic/contract/problem'
import type { BucketRole, Place } from './asset.ts'
import { MemoryPartStore } from './memory-part-store.ts'
import {
  copyBytesMax,
  type ListedObject,
  type ObjectCopy,
  type ObjectHeaders,
  type ObjectStore,
  type StoredObject,
  StoreFailure,
  type UploadTerms,
} from './object-store.ts'
import type { UploadRequest } from './part-store.ts'

interface Kept extends StoredObject {
  readonly bytes: Uint8Array
  readonly modifiedAt: Date
}

interface Ticket {
  readonly place: Place
  readonly headers: Readonly<Record<string, string>>
  readonly expiresAtMs: number
}

/** The store of tests: in memory, and its signed requests are answered by `send` and `fetch`. */
export class MemoryObjectStore implements ObjectStore {
  readonly #objects = new Map<string, Kept>()
  readonly #uploads = new Map<string, Ticket>()
  readonly #downloads = new Map<string, Ticket>()
  readonly parts = new MemoryPartStore((place, bytes, mimeType) =>
    this.create(place, bytes, { mimeType, cacheControl: '', contentDisposition: '' }),
  )

  /** The keys that hold an object, as `bucket:key`. */
  get places(): string[] {
    return [...this.#objects.keys()].toSorted()
  }

  async check(): Promise<void> {}

  async find(place: Place): Promise<StoredObject | undefined> {
    const kept = this.#objects.get(nameOf(place))
    if (kept === undefined) return undefined
    const { bytes: _, modifiedAt: __, ...facts } = kept
    return facts
  }

  async read(place: Place, { bytesMax }: { bytesMax: number }): Promise<Uint8Array | undefined> {
    const kept = this.#objects.get(nameOf(place))
    if (kept !== undefined && kept.sizeBytes > bytesMax) throw new AppError('PAYLOAD_TOO_LARGE')
    return kept?.bytes
  }

  async open(place: Place, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined> {
    const kept = this.#objects.get(nameOf(place))
    return kept && pour(kept.bytes, signal)
  }

  async list(
    bucket: BucketRole,
    { after, limit }: { after: string; limit: number },
  ): Promise<ListedObject[]> {
    const prefix = `${bucket}:`
    return [...this.#objects]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, { sizeBytes, modifiedAt }]) => {
        return { key: name.slice(prefix.length), sizeBytes, modifiedAt }
      })
      .filter(({ key }) => key > after)
      .toSorted((one, other) => (one.key < other.key ? -1 : 1))
      .slice(0, limit)
  }

  /** Lets time pass for what is stored. */
  age(place: Place, seconds: number): void {
    const kept = this.#objects.get(nameOf(place))
    if (kept === undefined) return
    const modifiedAt = new Date(kept.modifiedAt.getTime() - seconds * 1000)
    this.#objects.set(nameOf(place), { ...kept, modifiedAt })
  }

  async create(place: Place, bytes: Uint8Array, headers: ObjectHeaders): Promise<boolean> {
    if (this.#objects.has(nameOf(place))) return false
    this.#keep(place, bytes, headers)
    return true
  }

  async copy({ from, to, headers, expected }: ObjectCopy, signal: AbortSignal): Promise<void> {
    if (expected !== 'source' && expected.sizeBytes > copyBytesMax) {
      throw new AppError('PAYLOAD_TOO_LARGE')
    }
    const source = this.#objects.get(nameOf(from))
    if (signal.aborted || source === undefined) throw new StoreFailure(new Error('no copy'))
    this.#keep(to, source.bytes, headers)
    const isSame =
      expected === 'source' ||
      (source.sizeBytes === expected.sizeBytes && sha256(source.bytes, 'hex') === expected.sha256)
    if (!isSame) throw new StoreFailure(new Error('the copy has other bytes'))
  }

  async remove(place: Place): Promise<void> {
    this.#objects.delete(nameOf(place))
  }

  async presignUpload(place: Place, terms: UploadTerms): Promise<UploadRequest> {
    const hex = terms.sha256
    const headers = {
      'content-type': terms.mimeType,
      'content-length': String(terms.sizeBytes),
      'if-none-match': '*',
      ...(hex === null
        ? {}
        : { 'x-amz-checksum-sha256': Buffer.from(hex, 'hex').toString('base64') }),
    }
    const expiresAtMs = terms.signedAt.getTime() + terms.expiresInSeconds * 1000
    const digest = sha256(JSON.stringify([place, headers, expiresAtMs]), 'hex')
    const url = `memory://upload/${digest}`
    this.#uploads.set(url, { place, headers, expiresAtMs })
    return { url, headers }
  }

  async presignDownload(place: Place, terms: { expiresInSeconds: number }): Promise<string> {
    const url = `memory://download/${randomUUID()}`
    const expiresAtMs = Date.now() + terms.expiresInSeconds * 1000
    this.#downloads.set(url, { place, headers: {}, expiresAtMs })
    return url
  }

  close(): void {}

  /** S3's answer to the PUT: 200, 400 for other bytes, 403 for other headers, 412 when taken. */
  async send(request: UploadRequest, bytes: Uint8Array): Promise<number> {
    if (request.url.startsWith('memory://part/')) return this.parts.send(request, bytes)
    const ticket = this.#uploads.get(request.url)
    if (ticket === undefined || ticket.expiresAtMs < Date.now()) return 403
    const sent = { ...request.headers, 'content-length': String(bytes.length) }
    const isAsSigned = Object.entries(ticket.headers).every(
      ([name, value]) => Reflect.get(sent, name) === value,
    )
    if (!isAsSigned) return 403
    const checksum = ticket.headers['x-amz-checksum-sha256']
    if (checksum !== undefined && checksum !== sha256(bytes, 'base64')) return 400
    const mimeType = ticket.headers['content-type'] ?? ''
    const headers = { mimeType, cacheControl: '', contentDisposition: '' }
    return (await this.create(ticket.place, bytes, headers)) ? 200 : 412
  }

  /** What a GET of a signed address brings; undefined when it is refused or nothing is there. */
  async fetch(url: string): Promise<Uint8Array | undefined> {
    const ticket = this.#downloads.get(url)
    if (ticket === undefined || ticket.expiresAtMs < Date.now()) return undefined
    return this.#objects.get(nameOf(ticket.place))?.bytes
  }

  #keep(place: Place, bytes: Uint8Array, headers: ObjectHeaders): void {
    const own = Uint8Array.from(bytes)
    this.#objects.set(nameOf(place), {
      ...headers,
      bytes: own,
      sizeBytes: own.length,
      modifiedAt: new Date(),
    })
  }
}

const pouredBytes = 64 * 1024

async function* pour(bytes: Uint8Array, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += pouredBytes) {
    if (signal.aborted) throw new StoreFailure(signal.reason)
    yield bytes.subarray(start, start + pouredBytes)
  }
}

function nameOf(place: Place): string {
  return `${place.bucket}:${place.key}`
}

function sha256(data: Uint8Array | string, encoding: 'hex' | 'base64'): string {
  return createHash('sha256').update(data).digest(encoding)
}
