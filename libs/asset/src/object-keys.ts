import assert from 'node:assert/strict'
import { createHash, randomInt } from 'node:crypto'
import type { OutputMimeType } from '@funmagic/contract/asset'
import { galleryPath } from '@funmagic/contract/gallery'
import { isId, type AssetId, type TaskId, type UploadId, type UserId } from '@funmagic/contract/ids'
import {
  derivativePresets,
  type AssetPurpose,
  type BucketRole,
  type DerivativePreset,
  type Place,
} from './asset.ts'
import { extensionOf, isPicture, keyExtensions } from './media-types.ts'
import type { ObjectHeaders } from './object-store.ts'

// The only code that makes keys (requirements A5, U1). Nothing that a user wrote is part of one:
// ids and modules are checked against their patterns, the rest is random or a digest. The alphabet
// of a key is [a-z0-9/_.-], because the CloudFront signer changes others (reliability §0, 15).

interface Owner {
  readonly userId: UserId
  readonly module: string
  readonly mimeType: OutputMimeType
}

const nameLength = 26
const alphabet = '0123456789abcdefghijklmnopqrstuvwxyz'
const opsFolder = 'public/ops/'
export const deployedModule = 'api'
const modulePattern = /^[a-z0-9][a-z0-9_-]{0,63}$/

/** A private place that was never used before and that nobody can guess. */
export function freshPrivatePlace(owner: Owner): Place {
  return privatePlace(owner, randomName())
}

/** The private place of the picture of an upload: the same at every try to complete it. */
export function uploadPlace(owner: Owner, uploadId: UploadId): Place {
  return privatePlace(owner, digestName(`upload/${uploadId}`))
}

/** Where the bytes of an upload belong once they are checked: the same at every try. */
export function placeOfUpload(upload: Owner & { id: UploadId; purpose: AssetPurpose }): Place {
  const { purpose, module, mimeType, id } = upload
  if (purpose === 'user') return uploadPlace(upload, id)
  assert(modulePattern.test(module) && isId(id), 'the module and the id are part of a key')
  const name = `${module}/${id}.${extensionOf(mimeType)}`
  return purpose === 'ops'
    ? { bucket: 'public', key: `${opsFolder}${name}` }
    : { bucket: 'admin', key: `internal/admin/${name}` }
}

/** The API's own pages lie there, put by deployments: no asset does, and nobody removes them. */
export function isDeployed({ bucket, key }: Place): boolean {
  return bucket === 'public' && key.startsWith(`${opsFolder}${deployedModule}/`)
}

/** The private place of an output of a task: the same at every try of the task. */
export function outputPlace(owner: Owner, output: { taskId: TaskId; index: number }): Place {
  return privatePlace(owner, digestName(`task/${output.taskId}/${output.index}`))
}

/** A public place that was never used before: a CDN may remember the last one (reliability S3). */
export function freshPublicPlace(asset: Owner & { readonly id: AssetId }): Place {
  assert(isId(asset.userId) && isId(asset.id), 'ids are part of a key')
  const name = `${asset.id}.${extensionOf(asset.mimeType)}`
  return { bucket: 'public', key: `public/shared/${asset.userId}/${randomName()}/${name}` }
}

/** Where a client may put bytes. No distribution serves this prefix and no link is made to it. */
export function quarantinePlace(uploadId: UploadId): Place {
  assert(isId(uploadId), 'an upload id is part of a key')
  return { bucket: 'private', key: `quarantine/${uploadId}` }
}

/** The keys of the assets that would account for what lies here: at it, or derived from it. */
export function namesBeside(key: string): string[] {
  const stem = derivativePresets
    .map(preset => `.${preset}.webp`)
    .filter(ending => key.endsWith(ending))
    .map(ending => key.slice(0, -ending.length))
  return [key, ...stem.flatMap(name => keyExtensions.map(extension => `${name}.${extension}`))]
}

/** Where a smaller picture of an asset lies: beside it, wherever that is (A12). */
export function derivativeKey(storageKey: string, preset: DerivativePreset): string {
  return `${storageKey.replace(/\.[a-z0-9]+$/, '')}.${preset}.webp`
}

/** Every place that may hold a smaller picture of what is at a place. */
export function derivativePlaces({ bucket, key }: Place): Place[] {
  return derivativePresets.map(preset => ({ bucket, key: derivativeKey(key, preset) }))
}

/** The platform's public files get a new key with every change, so nobody need ask again (A10). */
const versionedCacheControl = 'public, max-age=31536000, immutable'

const cacheControls: Readonly<Record<BucketRole, string>> = {
  // Browsers forget soon, because an unpublished asset can be recalled from the CDN only (TR2).
  public: 'public, max-age=300, s-maxage=31536000',
  // The address of a private asset changes before this is over.
  private: 'private, max-age=900',
  admin: 'private, no-store',
}

/** What the server says about the bytes at a place, whatever their sender said (S9). */
export function headersFor({ bucket, key }: Place, mimeType: OutputMimeType): ObjectHeaders {
  const isVersioned = bucket === 'public' && key.startsWith(opsFolder)
  return {
    mimeType,
    cacheControl: isVersioned ? versionedCacheControl : cacheControls[bucket],
    contentDisposition: isPicture(mimeType) ? 'inline' : 'attachment',
  }
}

/** All that a user keeps to himself lies in here, and nothing of anybody else (A8). */
export function privateFolder(userId: UserId): string {
  assert(isId(userId), 'the owner is part of a key')
  return galleryPath(userId).slice(1)
}

function privatePlace(owner: Owner, name: string): Place {
  assert(modulePattern.test(owner.module), 'the module is part of a key')
  const file = `${name}.${extensionOf(owner.mimeType)}`
  return { bucket: 'private', key: `${privateFolder(owner.userId)}${owner.module}/${file}` }
}

function randomName(): string {
  return Array.from({ length: nameLength }, () => alphabet[randomInt(alphabet.length)]).join('')
}

/** 26 characters of the digest are 134 bits: enough that two names never meet. */
function digestName(text: string): string {
  const digest = createHash('sha256').update(text).digest('hex')
  return BigInt(`0x${digest}`)
    .toString(alphabet.length)
    .padStart(nameLength, '0')
    .slice(-nameLength)
}
