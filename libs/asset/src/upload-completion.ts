import { newId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { inTransaction, type Transaction } from '@funmagic/database/transaction'
import { insertAsset } from './asset-rows.ts'
import type { Asset, NewAsset } from './asset.ts'
import { findAsset } from './catalog.ts'
import { deposit } from './deposits.ts'
import { storeDerivatives } from './derivatives.ts'
import { sha256Of } from './digests.ts'
import { placeOfUpload, quarantinePlace } from './object-keys.ts'
import type { ObjectStore } from './object-store.ts'
import { findPlatformAsset } from './platform-assets.ts'
import { digestPicture, inspectPicture, type DigestedPicture } from './pictures.ts'
import type { Slots } from './slots.ts'
import { joinParts } from './upload-parts.ts'
import { refuseGrownBeyondQuota, type UploadQuota } from './upload-quota.ts'
import { ownUpload, readUpload, refuseExpired, type OwnUpload, type Upload } from './upload-rows.ts'

// From quarantine to an asset. The quarantined object can be replaced by whoever holds the ticket,
// so its bytes are read once, checked, and only what was made of them is stored, under another
// key. A try that dies on the way is repeated by the client and finds its steps done: the key is
// made from the upload's id, and the row and the end of the upload are one commit.

export interface CompletionDeps {
  readonly database: Database
  readonly store: ObjectStore
  /** Bounds how many pictures are held in memory and decoded at once. */
  readonly checks: Slots
  readonly quota: UploadQuota
  /** Other than pictures.ts says. */
  readonly decodeSecondsMax?: number
}

/** Written in the commit that makes the asset, or not at all. */
export type OnCreated = (tx: Transaction, asset: NewAsset) => Promise<void>

export interface Completion {
  readonly asset: Asset
  /** False when an earlier request has completed it. */
  readonly isNew: boolean
}

/** A picture that was encoded anew may be larger than it came. */
const cleanBytesMax = 200 * 1024 * 1024

/**
 * Makes an asset of what was sent with the ticket, private or where the platform's ticket says; a
 * repeat returns the same asset. Throws
 * NOT_FOUND for another's ticket, UPLOAD_INCOMPLETE before the bytes are there, TICKET_EXPIRED,
 * CHECKSUM_MISMATCH, TYPE_MISMATCH, IMAGE_INVALID, IMAGE_TOO_LARGE, QUOTA_EXCEEDED when the picture
 * has grown beyond it, and OVERLOADED when too many pictures are being decoded, or this one was not
 * in time. After OVERLOADED the ticket is as good as before.
 */
export async function completeUpload(
  deps: CompletionDeps,
  own: OwnUpload,
  onCreated?: OnCreated,
): Promise<Completion> {
  const upload = await readUpload(deps.database, own)
  if (upload.assetId !== null) return completedEarlier(deps.database, upload)
  refuseExpired(upload)
  await refuseUnlessSent(deps.store, upload)
  const asset = await deps.checks.use(async () => {
    const received = await readQuarantined(deps.store, upload)
    const digested = await digestPicture(received, upload.mimeType, deps.decodeSecondsMax)
    return storePicture(deps.store, upload, digested)
  })
  const isNew = await inTransaction(deps.database, async tx => {
    const isFirst = await commit(tx, deps.quota, { own, asset })
    if (isFirst) await onCreated?.(tx, asset)
    return isFirst
  })
  return { asset: await readAsset(deps.database, own), isNew }
}

async function completedEarlier(database: Database, upload: Upload): Promise<Completion> {
  return { asset: await readAsset(database, ownUpload(upload)), isNew: false }
}

/** The asset of a completed upload; NOT_FOUND when it was deleted since. */
async function readAsset(database: Database, own: OwnUpload): Promise<Asset> {
  const { assetId } = await readUpload(database, own)
  const asset =
    assetId &&
    (own.side === 'platform'
      ? await findPlatformAsset(database, assetId)
      : await findAsset(database, { userId: own.userId, assetId }))
  if (!asset) throw new AppError('NOT_FOUND')
  return asset
}

/** S3 holds the sender to the signed length and checksum; another server may be laxer. */
async function refuseUnlessSent(store: ObjectStore, upload: Upload): Promise<void> {
  const place = quarantinePlace(upload.id)
  const whole = await store.find(place)
  if (whole === undefined) await joinParts(store, upload)
  const found = whole ?? (await store.find(place))
  if (found === undefined) throw new AppError('UPLOAD_INCOMPLETE')
  if (found.sizeBytes !== upload.sizeBytes) throw new AppError('CHECKSUM_MISMATCH')
}

async function readQuarantined(store: ObjectStore, upload: Upload): Promise<Uint8Array> {
  const bytes = await store.read(quarantinePlace(upload.id), { bytesMax: upload.sizeBytes })
  if (bytes === undefined) throw new AppError('UPLOAD_INCOMPLETE')
  const isAsDeclared =
    bytes.length === upload.sizeBytes &&
    (upload.sha256 === null || upload.sha256 === (await sha256Of(bytes)))
  if (!isAsDeclared) throw new AppError('CHECKSUM_MISMATCH')
  return bytes
}

async function storePicture(
  store: ObjectStore,
  upload: Upload,
  { clean, smaller }: DigestedPicture,
): Promise<NewAsset> {
  const { userId, module, mimeType, filename, purpose } = upload
  const place = placeOfUpload(upload)
  const limits = { bytesMax: cleanBytesMax }
  const { bytes, sha256 } = await deposit(store, { place, bytes: clean, mimeType }, limits)
  const { width, height } = await inspectPicture(bytes, mimeType)
  return {
    // The key of a platform's file has its id, and is the same at every try.
    id: purpose === 'user' ? newId() : upload.id,
    userId,
    module,
    bucket: place.bucket,
    storageKey: place.key,
    filename,
    mimeType,
    sizeBytes: bytes.length,
    sha256,
    width,
    height,
    // Bytes of an earlier try may be of another picture: whoever holds the ticket can replace it.
    ...(await storeDerivatives(store, {
      place,
      bytes,
      mimeType,
      smaller: bytes === clean ? smaller : undefined,
    })),
    taskId: null,
    taskOutput: null,
  }
}

/** Of several requests that get here, the first makes the asset and the others find it. */
async function commit(
  tx: Transaction,
  quota: UploadQuota,
  { own, asset }: { own: OwnUpload; asset: NewAsset },
): Promise<boolean> {
  const upload = await readUpload(tx, own, { forUpdate: true })
  if (upload.state === 'completed') return false
  if (upload.state === 'expired') throw new AppError('TICKET_EXPIRED')
  await insertAsset(tx, asset, upload.purpose)
  await tx.query(sql`
    UPDATE uploads SET state = 'completed', asset_id = ${asset.id} WHERE id = ${own.uploadId}
  `)
  const isCounted = upload.purpose === 'user' && asset.sizeBytes > upload.sizeBytes
  if (isCounted) await refuseGrownBeyondQuota(tx, quota, own.userId)
  return true
}
