import { randomBytes } from 'node:crypto'
import sharp from 'sharp'
import type { UploadMimeType } from '@funmagic/contract/asset'
import type { ObjectStore } from './object-store.ts'
import { StoreFailure } from './object-store.ts'
import { MemoryObjectStore } from './memory-object-store.ts'

/** A store in memory that keeps the promises of the real one (test/object-store-conformance.ts). */
export function openMemoryObjectStore(): MemoryObjectStore {
  return new MemoryObjectStore()
}

export type { MemoryObjectStore }

type PartOperation = 'beginParts' | 'listParts' | 'joinParts' | 'abandonParts'
type Operation = 'find' | 'read' | 'open' | 'list' | 'create' | 'copy' | 'remove' | PartOperation

export interface FragileObjectStore extends ObjectStore {
  /**
   * The next call of the operation fails: `before` it has an effect, or `after`, when the effect
   * stays and only the reply is lost, as when a process dies between the two.
   */
  failNext(operation: Operation, moment: 'before' | 'after'): void
}

/** Puts failures where a test wants them; everything else goes to the store. */
export function makeFragile(store: ObjectStore): FragileObjectStore {
  const planned = new Map<Operation, 'before' | 'after'>()

  async function attempt<Result>(
    operation: Operation,
    work: () => Promise<Result>,
  ): Promise<Result> {
    const moment = planned.get(operation)
    planned.delete(operation)
    if (moment === 'before') throw new StoreFailure(new Error(`no ${operation}`))
    const result = await work()
    if (moment === 'after') throw new StoreFailure(new Error(`no reply to ${operation}`))
    return result
  }

  return {
    failNext: (operation, moment) => planned.set(operation, moment),
    check: () => store.check(),
    find: place => attempt('find', () => store.find(place)),
    read: (place, limits) => attempt('read', () => store.read(place, limits)),
    open: (place, signal) => attempt('open', () => store.open(place, signal)),
    list: (bucket, range) => attempt('list', () => store.list(bucket, range)),
    create: (place, bytes, headers) => attempt('create', () => store.create(place, bytes, headers)),
    copy: (copy, signal) => attempt('copy', () => store.copy(copy, signal)),
    remove: place => attempt('remove', () => store.remove(place)),
    presignUpload: (place, terms) => store.presignUpload(place, terms),
    presignDownload: (place, terms) => store.presignDownload(place, terms),
    parts: {
      begin: (place, object) => attempt('beginParts', () => store.parts.begin(place, object)),
      presign: (place, terms) => store.parts.presign(place, terms),
      list: (place, id) => attempt('listParts', () => store.parts.list(place, id)),
      join: (place, whole) => attempt('joinParts', () => store.parts.join(place, whole)),
      abandon: place => attempt('abandonParts', () => store.parts.abandon(place)),
    },
    close: () => store.close(),
  }
}

/** A small picture of one random colour, for tests that need one and not a particular one. */
export async function paint(
  mimeType: UploadMimeType,
  { width = 32, height = 16 } = {},
): Promise<Uint8Array> {
  const [r = 0, g = 0, b = 0] = randomBytes(3)
  const picture = sharp({ create: { width, height, channels: 3, background: { r, g, b } } })
  return picture.toFormat(formatOf(mimeType)).toBuffer()
}

/** As many pixels as are allowed, so mixed that no machine decodes them within a second. */
export async function paintSlow(): Promise<Uint8Array> {
  const [width, height, channels] = [7_300, 5_475, 3] as const
  // Longer than deflate looks back, so that the copies are as hard as the first.
  const noise = randomBytes(65_537).map(byte => byte & 1)
  const pixels = Buffer.alloc(width * height * channels, noise)
  return sharp(pixels, { raw: { width, height, channels } }).png({ compressionLevel: 3 }).toBuffer()
}

function formatOf(mimeType: UploadMimeType): 'jpeg' | 'png' | 'webp' | 'gif' {
  switch (mimeType) {
    case 'image/jpeg':
      return 'jpeg'
    case 'image/png':
      return 'png'
    case 'image/webp':
      return 'webp'
    case 'image/gif':
      return 'gif'
  }
}
