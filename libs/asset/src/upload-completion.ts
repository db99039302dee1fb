import { createHash } from 'node:crypto'
import { newId, type UploadId, type UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import type { Database, Queryable } from '@funmagic/database/client'
import { empty, sql } from '@funmagic/database/sql'
import { inTransaction, type Transaction } from '@funmagic/database/transaction'
import { insertAsset } from './asset-rows.ts'
import type { Asset, NewAsset } from './asset.ts'
import { findAsset } from './catalog.ts'
import { deposit } from './deposits.ts'
import { storeDerivatives } from './derivatives.ts'
import { quarantinePlace, uploadPlace } from './object-keys.ts'
import type { ObjectStore } from './object-store.ts'
import { cleanPicture, inspectPicture } from './pictures.ts'
import type { Slots } from './slots.ts'
import { type Upload, uploadColumns } from './uploads.ts'

// From quarantine to an asset. The quarantined object can be replaced by whoever holds the ticket,
// so its bytes are read once, checked, and only what was made of them is stored, under another
// key. A try that dies on the way is repeated by the client and finds its steps done: the key is
// made from the upload's id, and the row and the end of the upload are one commit.

export interface CompletionDeps {
  readonly database: Database
  readonly store: ObjectStore
  /** Bounds how many pictures are held in memory and decoded at once. */
  readonly checks: Slots
}

interface OwnUpload {
  readonly userId: UserId
  readonly uploadId: UploadId
}

export interface Completion {
  readonly asset: Asset
  /** False when an earlier request has completed it. */
  readonly isNew: boolean
}

/** A picture that was encoded anew may be larger than it came. */
const cleanBytesMax = 200 * 1024 * 1024

/**
 * Makes a private asset of what was sent with the ticket; a repeat returns the same asset. Throws
 * NOT_FOUND for another's ticket, UPLOAD_INCOMPLETE before the bytes are there, TICKET_EXPIRED,
 * CHECKSUM_MISMATCH, TYPE_MISMATCH, IMAGE_INVALID, IMAGE_TOO_LARGE, and OVERLOADED when too many
 * pictures are being decoded.
 */
export async function completeUpload(deps: CompletionDeps, own: OwnUpload): Promise<Completion> {
  const upload = await readUpload(deps.database, own)
  if (upload.assetId !== null) return completedEarlier(deps.database, upload)
  refuseExpired(upload)
  await refuseUnlessSent(deps.store, upload)
  const asset = await deps.checks.use(async () => {
    const received = await readQuarantined(deps.store, upload)
    return storePicture(deps.store, upload, await cleanPicture(received, upload.mimeType))
  })
  const isNew = await inTransaction(deps.database, tx => commit(tx, own, asset))
  return { asset: await readAsset(deps.database, own), isNew }
}

async function readUpload(
  database: Queryable,
  own: OwnUpload,
  { forUpdate } = { forUpdate: false },
): Promise<Upload> {
  const { rows } = await database.query<Upload>(sql`
    SELECT ${uploadColumns} FROM uploads
    WHERE id = ${own.uploadId} AND user_id = ${own.userId} ${forUpdate ? sql`FOR UPDATE` : empty}
  `)
  const [upload] = rows
  if (upload === undefined) throw new AppError('NOT_FOUND')
  return upload
}

async function completedEarlier(database: Database, upload: Upload): Promise<Completion> {
  const own = { userId: upload.userId, uploadId: upload.id }
  return { asset: await readAsset(database, own), isNew: false }
}

/** The asset of a completed upload; NOT_FOUND when it was deleted since. */
async function readAsset(database: Database, own: OwnUpload): Promise<Asset> {
  const { assetId } = await readUpload(database, own)
  const asset = assetId && (await findAsset(database, { userId: own.userId, assetId }))
  if (!asset) throw new AppError('NOT_FOUND')
  return asset
}

function refuseExpired(upload: Upload): void {
  if (upload.state === 'expired' || upload.expiresAt.getTime() <= Date.now()) {
    throw new AppError('TICKET_EXPIRED')
  }
}

/** S3 holds the sender to the signed length and checksum; another server may be laxer. */
async function refuseUnlessSent(store: ObjectStore, upload: Upload): Promise<void> {
  const found = await store.find(quarantinePlace(upload.id))
  if (found === undefined) throw new AppError('UPLOAD_INCOMPLETE')
  if (found.sizeBytes !== upload.sizeBytes) throw new AppError('CHECKSUM_MISMATCH')
}

async function readQuarantined(store: ObjectStore, upload: Upload): Promise<Uint8Array> {
  const bytes = await store.read(quarantinePlace(upload.id), { bytesMax: upload.sizeBytes })
  if (bytes === undefined) throw new AppError('UPLOAD_INCOMPLETE')
  const isAsDeclared =
    bytes.length === upload.sizeBytes &&
    (upload.sha256 === null || upload.sha256 === digestOf(bytes))
  if (!isAsDeclared) throw new AppError('CHECKSUM_MISMATCH')
  return bytes
}

async function storePicture(
  store: ObjectStore,
  upload: Upload,
  clean: Uint8Array,
): Promise<NewAsset> {
  const { userId, module, mimeType, filename } = upload
  const place = uploadPlace(upload, upload.id)
  const limits = { bytesMax: cleanBytesMax }
  const { bytes, sha256 } = await deposit(store, { place, bytes: clean, mimeType }, limits)
  const { width, height } = await inspectPicture(bytes, mimeType)
  return {
    id: newId(),
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
    ...(await storeDerivatives(store, { place, bytes, mimeType })),
    taskId: null,
    taskOutput: null,
  }
}

/** Of several requests that get here, the first makes the asset and the others find it. */
async function commit(tx: Transaction, own: OwnUpload, asset: NewAsset): Promise<boolean> {
  const upload = await readUpload(tx, own, { forUpdate: true })
  if (upload.state === 'completed') return false
  if (upload.state === 'expired') throw new AppError('TICKET_EXPIRED')
  await insertAsset(tx, asset)
  await tx.query(sql`
    UPDATE uploads SET state = 'completed', asset_id = ${asset.id} WHERE id = ${own.uploadId}
  `)
  return true
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
