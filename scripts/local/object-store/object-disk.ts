import { createHash, randomUUID } from 'node:crypto'
import {
  createReadStream,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { join } from 'node:path'
import type { Checksums } from './checksums.ts'
import { UploadDisk } from './upload-disk.ts'

export interface StoredObject {
  readonly key: string
  readonly sizeBytes: number
  /** MD5 in hex, as S3 makes it for objects that were put in one piece. */
  readonly etag: string
  readonly lastModified: string
  /** Those that the writer asked for, in base64. */
  readonly checksums: Checksums
  /** Content-Type and the other headers that S3 keeps and gives back. */
  readonly headers: Readonly<Record<string, string>>
  /** The file with the bytes; a new one for each write, so that readers keep the old one. */
  readonly file: string
}

const contentFolder = 'content'
const recordFolder = 'records'
/** No bucket can have this name. */
const uploadFolder = '_uploads'

/**
 * Buckets on a disk. Bytes lie in files of random names; a small record per key points at them
 * and is switched by a rename, so that an object is there completely or not at all, whatever is
 * killed when. All records are held in memory, and one process at a time owns the folder.
 */
export class ObjectDisk {
  readonly #folder: string
  readonly #buckets: Map<string, Map<string, StoredObject>>
  /** Objects that are still arriving in parts, of all buckets. */
  readonly uploads: UploadDisk

  private constructor(
    folder: string,
    buckets: Map<string, Map<string, StoredObject>>,
    uploads: UploadDisk,
  ) {
    this.#folder = folder
    this.#buckets = buckets
    this.uploads = uploads
  }

  static async open(folder: string): Promise<ObjectDisk> {
    mkdirSync(folder, { recursive: true })
    const buckets = new Map<string, Map<string, StoredObject>>()
    const entries = await readdir(folder, { withFileTypes: true })
    const isBucket = (name: string) => name !== uploadFolder
    for (const entry of entries.filter(found => found.isDirectory() && isBucket(found.name))) {
      buckets.set(entry.name, await loadBucket(join(folder, entry.name)))
    }
    return new ObjectDisk(folder, buckets, await UploadDisk.open(join(folder, uploadFolder)))
  }

  bucketNames(): string[] {
    return [...this.#buckets.keys()].sort()
  }

  findBucket(bucket: string): ReadonlyMap<string, StoredObject> | undefined {
    return this.#buckets.get(bucket)
  }

  /** Makes the bucket; one that exists stays as it is. */
  createBucket(bucket: string): void {
    mkdirSync(join(this.#folder, bucket, contentFolder), { recursive: true })
    mkdirSync(join(this.#folder, bucket, recordFolder), { recursive: true })
    if (!this.#buckets.has(bucket)) this.#buckets.set(bucket, new Map())
  }

  async deleteBucket(bucket: string): Promise<void> {
    this.#buckets.delete(bucket)
    await rm(join(this.#folder, bucket), { recursive: true, force: true })
  }

  /** A path for bytes that are still arriving; nobody sees them before `commit`. */
  newContent(bucket: string): { file: string; path: string } {
    const file = randomUUID()
    return { file, path: this.contentPath(bucket, file) }
  }

  contentPath(bucket: string, file: string): string {
    return join(this.#folder, bucket, contentFolder, file)
  }

  /** Makes the object visible. Synchronous, so that a check just before it still holds. */
  commit(bucket: string, object: StoredObject): void {
    const objects = this.#require(bucket)
    const previous = objects.get(object.key)
    const record = this.#recordPath(bucket, object.key)
    const draft = `${record}.${object.file}`
    writeFileSync(draft, JSON.stringify(object))
    renameSync(draft, record)
    objects.set(object.key, object)
    if (previous !== undefined) rmSync(this.contentPath(bucket, previous.file), { force: true })
  }

  delete(bucket: string, key: string): void {
    const objects = this.#require(bucket)
    const object = objects.get(key)
    if (object === undefined) return
    rmSync(this.#recordPath(bucket, key), { force: true })
    objects.delete(key)
    rmSync(this.contentPath(bucket, object.file), { force: true })
  }

  read(bucket: string, object: StoredObject, range?: { start: number; end: number }): Readable {
    return createReadStream(this.contentPath(bucket, object.file), range)
  }

  #require(bucket: string): Map<string, StoredObject> {
    const objects = this.#buckets.get(bucket)
    if (objects === undefined) throw new Error(`There is no bucket ${bucket}`)
    return objects
  }

  /** Keys are hashed: `a` and `a/b` can both exist, and no key can leave the folder. */
  #recordPath(bucket: string, key: string): string {
    const name = createHash('sha256').update(key).digest('hex')
    return join(this.#folder, bucket, recordFolder, `${name}.json`)
  }
}

/** Reads the records, and removes bytes that no record points at: uploads that were cut off. */
async function loadBucket(folder: string): Promise<Map<string, StoredObject>> {
  const objects = new Map<string, StoredObject>()
  const records = join(folder, recordFolder)
  const contents = join(folder, contentFolder)
  mkdirSync(records, { recursive: true })
  mkdirSync(contents, { recursive: true })
  for (const name of await readdir(records)) {
    const path = join(records, name)
    if (!name.endsWith('.json')) {
      rmSync(path, { force: true })
      continue
    }
    // Written by commit() above, whole or not at all.
    const object = JSON.parse(readFileSync(path, 'utf8')) as StoredObject
    objects.set(object.key, object)
  }
  const files = new Set([...objects.values()].map(object => object.file))
  for (const file of await readdir(contents)) {
    if (!files.has(file)) rmSync(join(contents, file), { force: true })
  }
  return objects
}
