import { randomBytes } from 'node:crypto'

export interface StoredFile {
  readonly id: string
  readonly name: string
  readonly contentType: string
  readonly bytes: Buffer
  readonly createdAt: Date
  readonly expiresAt: Date
}

const lifetimeMs = 3_600_000
const bytesMax = 256 * 1024 * 1024

/** Uploads and results: kept for an hour, as Replicate keeps them, and within a bound. */
export class FileStore {
  readonly #files = new Map<string, StoredFile>()
  #bytes = 0

  put(
    file: { name: string; contentType: string; bytes: Buffer },
    id: string = randomBytes(16).toString('hex'),
  ): StoredFile {
    this.#delete(id)
    const createdAt = new Date()
    const expiresAt = new Date(createdAt.getTime() + lifetimeMs)
    const stored = { ...file, id, createdAt, expiresAt }
    this.#files.set(id, stored)
    this.#bytes += file.bytes.length
    for (const oldest of this.#files.keys()) {
      if (this.#bytes <= bytesMax) break
      this.#delete(oldest)
    }
    return stored
  }

  find(id: string): StoredFile | undefined {
    const file = this.#files.get(id)
    return file !== undefined && file.expiresAt > new Date() ? file : undefined
  }

  #delete(id: string): void {
    const file = this.#files.get(id)
    if (file === undefined) return
    this.#files.delete(id)
    this.#bytes -= file.bytes.length
  }
}
