import { randomBytes, randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Checksums } from './checksums.ts'

export interface StoredPart {
  readonly partNumber: number
  readonly sizeBytes: number
  /** MD5 in hex. */
  readonly etag: string
  readonly lastModified: string
  readonly checksums: Checksums
  /** The file with the bytes; a new one for each write. */
  readonly file: string
}

/** An object that is arriving in parts: nobody sees it before it is completed. */
export interface PartialUpload {
  readonly uploadId: string
  readonly bucket: string
  readonly key: string
  readonly initiated: string
  readonly headers: Readonly<Record<string, string>>
  readonly parts: readonly StoredPart[]
}

const recordName = 'upload.json'

/**
 * Multipart uploads on a disk: a folder each, with a record that is switched by a rename. Like
 * S3's, they stay until somebody completes or aborts them, whatever is restarted meanwhile.
 */
export class UploadDisk {
  readonly #folder: string
  readonly #uploads: Map<string, PartialUpload>

  private constructor(folder: string, uploads: Map<string, PartialUpload>) {
    this.#folder = folder
    this.#uploads = uploads
  }

  static async open(folder: string): Promise<UploadDisk> {
    mkdirSync(folder, { recursive: true })
    const uploads = new Map<string, PartialUpload>()
    for (const uploadId of await readdir(folder)) {
      const upload = await loadUpload(join(folder, uploadId))
      if (upload !== undefined) uploads.set(uploadId, upload)
    }
    return new UploadDisk(folder, uploads)
  }

  create(upload: Pick<PartialUpload, 'bucket' | 'key' | 'headers'>): PartialUpload {
    const uploadId = randomBytes(24).toString('base64url')
    mkdirSync(join(this.#folder, uploadId))
    const created = { ...upload, uploadId, initiated: new Date().toISOString(), parts: [] }
    this.#keep(created)
    return created
  }

  find(uploadId: string): PartialUpload | undefined {
    return this.#uploads.get(uploadId)
  }

  /** In the order of S3: by the UTF-8 bytes of the key, then by the time. */
  list(bucket: string, prefix: string): PartialUpload[] {
    return [...this.#uploads.values()]
      .filter(upload => upload.bucket === bucket && upload.key.startsWith(prefix))
      .sort(
        (a, b) =>
          Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)) ||
          (a.initiated < b.initiated ? -1 : 1),
      )
  }

  /** A path for the bytes of a part that are still arriving. */
  newPart({ uploadId }: PartialUpload): { file: string; path: string } {
    const file = randomUUID()
    return { file, path: join(this.#folder, uploadId, file) }
  }

  partPath({ uploadId }: PartialUpload, { file }: StoredPart): string {
    return join(this.#folder, uploadId, file)
  }

  /** Takes the place of an earlier part of that number. False when the upload has ended. */
  keepPart({ uploadId }: PartialUpload, part: StoredPart): boolean {
    const upload = this.#uploads.get(uploadId)
    if (upload === undefined) return false
    const others = upload.parts.filter(({ partNumber }) => partNumber !== part.partNumber)
    const parts = [...others, part].sort((a, b) => a.partNumber - b.partNumber)
    this.#keep({ ...upload, parts })
    const replaced = upload.parts.find(({ partNumber }) => partNumber === part.partNumber)
    if (replaced) rmSync(this.partPath(upload, replaced), { force: true })
    return true
  }

  async remove({ uploadId }: PartialUpload): Promise<void> {
    this.#uploads.delete(uploadId)
    await rm(join(this.#folder, uploadId), { recursive: true, force: true })
  }

  #keep(upload: PartialUpload): void {
    const record = join(this.#folder, upload.uploadId, recordName)
    writeFileSync(`${record}.draft`, JSON.stringify(upload))
    renameSync(`${record}.draft`, record)
    this.#uploads.set(upload.uploadId, upload)
  }
}

/** Undefined for a folder without a record, and for bytes that no record points at: removed. */
async function loadUpload(folder: string): Promise<PartialUpload | undefined> {
  const files = await readdir(folder)
  if (!files.includes(recordName)) {
    await rm(folder, { recursive: true, force: true })
    return undefined
  }
  // Written by #keep above, whole or not at all.
  const upload = JSON.parse(readFileSync(join(folder, recordName), 'utf8')) as PartialUpload
  const known = new Set([recordName, ...upload.parts.map(({ file }) => file)])
  for (const file of files) {
    if (!known.has(file)) rmSync(join(folder, file), { force: true })
  }
  return upload
}
