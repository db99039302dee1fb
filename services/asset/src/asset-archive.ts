import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { makeZip } from 'client-zip'
import { placeOf, type Asset } from '@funmagic/asset/asset'
import type { ObjectStore } from '@funmagic/asset/object-store'
import type { AssetId } from '@funmagic/contract/ids'

export interface ArchiveSources {
  readonly store: Pick<ObjectStore, 'open'>
  /** The asset as it is now, if it is still its owner's. */
  readonly find: (assetId: AssetId) => Promise<Asset | undefined>
}

const looksMax = 3

/** A line of the manifest, the last file of every archive. */
interface ManifestLine {
  readonly file: string | null
  readonly id: AssetId
  readonly sha256: string
  readonly sizeBytes: number
  readonly mimeType: string
  readonly createdAt: string
  /** missing: nothing lay there. corrupt: these are not the bytes that were recorded. */
  readonly status: 'included' | 'missing' | 'corrupt'
}

/**
 * The assets as a ZIP that is made while it is read: one object is open at a time, and is read no
 * faster than the reader takes it, so the memory it takes does not depend on what is in it. An
 * object that is not there is told in `manifest.json`, with the SHA-256 of every file.
 */
export function archiveAssets(
  sources: ArchiveSources,
  assets: readonly Asset[],
  signal: AbortSignal,
): Readable {
  const archive = makeZip(listFiles(sources, assets, signal))
  return Readable.from(archive, { objectMode: false, signal })
}

async function* listFiles(sources: ArchiveSources, assets: readonly Asset[], signal: AbortSignal) {
  const manifest: ManifestLine[] = []
  const taken = new Set(['manifest.json'])
  for (const asset of assets) {
    const bytes = await openWhereItIs(sources, asset, signal)
    if (bytes === undefined) {
      manifest.push(describe(asset, null, 'missing'))
      continue
    }
    const name = chooseName(asset, taken)
    const hash = createHash('sha256')
    yield { name, lastModified: asset.createdAt, input: passThrough(bytes, hash) }
    const isSame = hash.digest('hex') === asset.sha256
    manifest.push(describe(asset, name, isSame ? 'included' : 'corrupt'))
  }
  yield {
    name: 'manifest.json',
    lastModified: new Date(),
    input: `${JSON.stringify({ items: manifest }, null, 2)}\n`,
  }
}

/** What is unpublished while the files before it are read lies elsewhere then: looked up anew. */
async function openWhereItIs(
  { store, find }: ArchiveSources,
  asset: Asset,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  let current: Asset | undefined = asset
  for (let looks = 0; looks < looksMax && current !== undefined; looks++) {
    const bytes = await store.open(placeOf(current), signal)
    if (bytes !== undefined) return bytes
    current = await find(asset.id)
  }
  return undefined
}

async function* passThrough(
  bytes: AsyncIterable<Uint8Array>,
  hash: ReturnType<typeof createHash>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for await (const chunk of bytes) {
    hash.update(chunk)
    yield new Uint8Array(chunk)
  }
}

function describe(asset: Asset, file: string | null, status: ManifestLine['status']): ManifestLine {
  const { id, sha256, sizeBytes, mimeType } = asset
  return { file, id, sha256, sizeBytes, mimeType, createdAt: asset.createdAt.toISOString(), status }
}

/**
 * The name that the owner knows it by, with the extension of what it is, once in the archive.
 * What unpacking programs stumble over (folders, drives, devices of Windows) is replaced.
 */
function chooseName(asset: Asset, taken: Set<string>): string {
  const extension = /\.[a-z0-9]+$/.exec(asset.storageKey)?.[0] ?? ''
  const given = (asset.filename ?? `${asset.module}-${asset.id.slice(0, 8)}`).replace(
    /\.[A-Za-z0-9]{1,5}$/,
    '',
  )
  const safe = given.replaceAll(/[<>:"/\\|?*\p{C}]/gu, '_').replace(/^[.\s-]+|[.\s]+$/g, '')
  const isDevice = /^(con|prn|aux|nul|com\d|lpt\d)$/i.test(safe)
  const stem = Array.from(safe === '' || isDevice ? `_${safe}` : safe)
    .slice(0, 150)
    .join('')
  for (let number = 1; ; number++) {
    // Bounded by the number of files in the archive.
    const name = `${stem}${number === 1 ? '' : ` (${number})`}${extension}`
    if (taken.has(name.toLowerCase())) continue
    taken.add(name.toLowerCase())
    return name
  }
}
