import assert from 'node:assert/strict'
import {
  uploadMimeTypes,
  type CreateUpload,
  type UploadMimeType,
  type UploadTicket,
} from '@funmagic/contract/asset'
import { newId, type UserId } from '@funmagic/contract/ids'
import type { Destination } from '@funmagic/contract/platform-asset'
import { AppError } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { inTransaction, type Transaction } from '@funmagic/database/transaction'
import { cleanFilename } from './filenames.ts'
import { findUploadMimeType } from './media-types.ts'
import { quarantinePlace } from './object-keys.ts'
import type { ObjectStore } from './object-store.ts'
import { addressEnd, secondsBetween } from './upload-addresses.ts'
import { endOverdueUploads } from './upload-expiry.ts'
import { partSizeBytes, partsOf, partsFromBytes } from './upload-parts.ts'
import {
  refuseBeyondQuota,
  refuseTooManyPlatformTickets,
  type UploadQuota,
} from './upload-quota.ts'
import { readOpenUpload, uploadColumns, type OwnUpload, type Upload } from './upload-rows.ts'

/** The largest file that may be uploaded, in bytes (reliability 1.8). */
export const uploadBytesMax = 25 * 1024 * 1024

export interface UploadDeps {
  readonly database: Database
  readonly store: ObjectStore
  readonly quota: UploadQuota
}

export interface UploadRequest {
  readonly userId: UserId
  readonly body: CreateUpload
  /** For the platform, whose files are in no quota; without it, for the user. */
  readonly destination?: Destination
  readonly idempotency: { readonly key: string; readonly requestHash: string } | undefined
}

/** A ticket outlives its address, which can be signed again. */
const ticketLifeSeconds = 3_600
/** In parts, an upload can be taken up again the next day: no ticket lives longer. */
export const partsTicketLifeSeconds = 86_400

/**
 * A ticket to send the bytes of one file straight to the store, into quarantine. The same
 * Idempotency-Key brings the same ticket. Throws UNSUPPORTED_MEDIA_TYPE, PAYLOAD_TOO_LARGE,
 * QUOTA_EXCEEDED, RATE_LIMITED when too many tickets are open, and IDEMPOTENCY_MISMATCH (U1, U2).
 */
export async function beginUpload(
  { database, store, quota }: UploadDeps,
  request: UploadRequest,
): Promise<UploadTicket> {
  const { userId, body, destination } = request
  const mimeType = findUploadMimeType(body.mimeType)
  if (mimeType === undefined) {
    const suggestion = `Send one of ${uploadMimeTypes.join(', ')}.`
    throw new AppError('UNSUPPORTED_MEDIA_TYPE', { details: { field: 'mimeType', suggestion } })
  }
  if (body.sizeBytes > uploadBytesMax) {
    const suggestion = `Send at most ${uploadBytesMax} bytes.`
    throw new AppError('PAYLOAD_TOO_LARGE', { details: { field: 'sizeBytes', suggestion } })
  }
  const upload = await inTransaction(database, async tx => {
    await lockUploadsOf(tx, userId)
    const earlier = await findEarlier(tx, request)
    if (earlier) return earlier
    await endOverdueUploads(tx, { userId })
    if (destination !== undefined) await refuseTooManyPlatformTickets(tx, quota, userId)
    else await refuseBeyondQuota(tx, quota, { userId, sizeBytes: body.sizeBytes })
    return insertUpload(tx, request, mimeType)
  })
  return makeTicket(store, upload, upload.createdAt)
}

/**
 * The ticket with a fresh address, for one whose address ran out before the bytes were sent. Throws
 * NOT_FOUND, CONFLICT when the upload is completed, and TICKET_EXPIRED.
 */
export async function signUpload(
  { database, store }: Pick<UploadDeps, 'database' | 'store'>,
  own: OwnUpload,
): Promise<UploadTicket> {
  return makeTicket(store, await readOpenUpload(database, own), new Date())
}

/** One user's requests for tickets come one after the other, so that a repeat finds the first. */
async function lockUploadsOf(tx: Transaction, userId: UserId): Promise<void> {
  await tx.query(sql`SELECT pg_advisory_xact_lock(hashtextextended(${`uploads/${userId}`}, 0))`)
}

async function findEarlier(tx: Transaction, request: UploadRequest): Promise<Upload | undefined> {
  const { idempotency, userId } = request
  if (idempotency === undefined) return undefined
  const { rows } = await tx.query<Upload>(sql`
    SELECT ${uploadColumns} FROM uploads
    WHERE user_id = ${userId} AND idempotency_key = ${idempotency.key}
  `)
  const [earlier] = rows
  if (earlier && earlier.requestHash !== idempotency.requestHash) {
    throw new AppError('IDEMPOTENCY_MISMATCH')
  }
  return earlier
}

async function insertUpload(
  tx: Transaction,
  { userId, body, idempotency, destination }: UploadRequest,
  mimeType: UploadMimeType,
): Promise<Upload> {
  const id = newId()
  const createdAt = new Date()
  const lifeSeconds = body.sizeBytes < partsFromBytes ? ticketLifeSeconds : partsTicketLifeSeconds
  const expiresAt = new Date(createdAt.getTime() + lifeSeconds * 1000)
  const { rows } = await tx.query<Upload>(sql`
    INSERT INTO uploads (id, user_id, module, filename, mime_type, size, sha256, quarantine_key,
      idempotency_key, request_hash, expires_at, created_at, purpose)
    VALUES (${id}, ${userId}, ${body.module}, ${cleanFilename(body.filename)}, ${mimeType},
      ${body.sizeBytes}, ${body.sha256 ?? null}, ${quarantinePlace(id).key},
      ${idempotency?.key ?? null}, ${idempotency?.requestHash ?? null}, ${expiresAt}, ${createdAt},
      ${destination ?? 'user'}::asset_purpose)
    RETURNING ${uploadColumns}
  `)
  const [upload] = rows
  assert(upload, 'an insert returns its row')
  return upload
}

/** The address depends on its moment only: signed at the same one, it is the same. */
async function makeTicket(
  store: ObjectStore,
  upload: Upload,
  signedAt: Date,
): Promise<UploadTicket> {
  const expiresAt = addressEnd(upload, signedAt)
  const { url, headers } = await store.presignUpload(quarantinePlace(upload.id), {
    mimeType: upload.mimeType,
    sizeBytes: upload.sizeBytes,
    sha256: upload.sha256,
    signedAt,
    expiresInSeconds: secondsBetween(signedAt, expiresAt),
  })
  const put = { method: 'PUT' as const, url, headers: { ...headers } }
  const parts = partsOf(upload)
  return {
    uploadId: upload.id,
    upload: { ...put, expiresAt: expiresAt.toISOString() },
    ...(parts.length === 0
      ? {}
      : {
          multipart: {
            partSizeBytes,
            partsCount: parts.length,
            expiresAt: upload.expiresAt.toISOString(),
          },
        }),
  }
}
