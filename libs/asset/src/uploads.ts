import assert from 'node:assert/strict'
import type { CreateUpload, UploadMimeType, UploadTicket } from '@funmagic/contract/asset'
import { newId, type AssetId, type UploadId, type UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import type { Database, Queryable } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { inTransaction, type Transaction } from '@funmagic/database/transaction'
import { cleanFilename } from './filenames.ts'
import { findUploadMimeType } from './media-types.ts'
import type { Place } from './asset.ts'
import { derivativePlaces, quarantinePlace, uploadPlace } from './object-keys.ts'
import type { ObjectStore } from './object-store.ts'

/** The largest file that may be uploaded, in bytes (reliability 1.8). */
export const uploadBytesMax = 25 * 1024 * 1024

export interface UploadQuota {
  /** What a user may keep, with the bytes that open tickets promise. */
  readonly bytesPerUser: number
  /** Tickets that a user may hold without having completed them. */
  readonly openTicketsMax: number
}

export interface UploadDeps {
  readonly database: Database
  readonly store: ObjectStore
  readonly quota: UploadQuota
}

export interface UploadRequest {
  readonly userId: UserId
  readonly body: CreateUpload
  readonly idempotency: { readonly key: string; readonly requestHash: string } | undefined
}

export interface Upload {
  readonly id: UploadId
  readonly userId: UserId
  readonly module: string
  readonly filename: string
  readonly mimeType: UploadMimeType
  readonly sizeBytes: number
  readonly sha256: string | null
  readonly state: 'pending' | 'completed' | 'expired'
  readonly assetId: AssetId | null
  readonly requestHash: string | null
  readonly expiresAt: Date
  readonly createdAt: Date
}

export const uploadColumns = sql`
  id, user_id AS "userId", module, filename, mime_type AS "mimeType", size AS "sizeBytes", sha256,
  state, asset_id AS "assetId", request_hash AS "requestHash", expires_at AS "expiresAt",
  created_at AS "createdAt"`

const ticketLifeSeconds = 900
/** A PUT that began in the last second of its ticket may still be sending. */
const lastPutSeconds = 3_600

/**
 * A ticket to send the bytes of one file straight to the store, into quarantine. The same
 * Idempotency-Key brings the same ticket. Throws UNSUPPORTED_MEDIA_TYPE, PAYLOAD_TOO_LARGE,
 * QUOTA_EXCEEDED, RATE_LIMITED when too many tickets are open, and IDEMPOTENCY_MISMATCH (U1, U2).
 */
export async function beginUpload(
  { database, store, quota }: UploadDeps,
  request: UploadRequest,
): Promise<UploadTicket> {
  const mimeType = findUploadMimeType(request.body.mimeType)
  if (mimeType === undefined) throw new AppError('UNSUPPORTED_MEDIA_TYPE')
  if (request.body.sizeBytes > uploadBytesMax) {
    const suggestion = `Send at most ${uploadBytesMax} bytes.`
    throw new AppError('PAYLOAD_TOO_LARGE', { details: { field: 'sizeBytes', suggestion } })
  }
  const upload = await inTransaction(database, async tx => {
    await lockUploadsOf(tx, request.userId)
    const earlier = await findEarlier(tx, request)
    if (earlier) return earlier
    await refuseBeyondQuota(tx, quota, request)
    return insertUpload(tx, request, mimeType)
  })
  return makeTicket(store, upload)
}

/**
 * Ends the tickets that are over, which returns their quota, and removes what was sent with them
 * once nobody can send any more. Sweepers side by side remove the same objects, which is harmless.
 */
export async function expireUploads(
  { database, store }: Pick<UploadDeps, 'database' | 'store'>,
  limits: { uploadsMax: number },
  signal: AbortSignal,
): Promise<{ expired: number; cleared: number }> {
  const { rowCount } = await database.query(sql`
    UPDATE uploads SET state = 'expired' WHERE state = 'pending' AND expires_at <= now()
  `)
  let cleared = 0
  for (const upload of await listUncleared(database, limits.uploadsMax)) {
    if (signal.aborted) break
    await store.remove(quarantinePlace(upload.id))
    // A completion that died on the way to its commit has left a picture without a row.
    if (upload.state === 'expired') await removePicture(store, uploadPlace(upload, upload.id))
    await database.query(sql`UPDATE uploads SET cleared_at = now() WHERE id = ${upload.id}`)
    cleared++
  }
  return { expired: rowCount ?? 0, cleared }
}

async function removePicture(store: ObjectStore, place: Place): Promise<void> {
  for (const beside of derivativePlaces(place)) await store.remove(beside)
  await store.remove(place)
}

/** One user's requests for tickets come one after the other, so that none passes the quota. */
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

async function refuseBeyondQuota(
  tx: Transaction,
  quota: UploadQuota,
  { userId, body }: UploadRequest,
): Promise<void> {
  const { rows } = await tx.query<{ kept: number; promised: number; open: number }>(sql`
    SELECT
      (SELECT coalesce(sum(size), 0)::bigint FROM assets
       WHERE user_id = ${userId} AND deleted_at IS NULL) AS kept,
      coalesce(sum(size), 0)::bigint AS promised, count(*) AS open
    FROM uploads WHERE user_id = ${userId} AND state = 'pending' AND expires_at > now()
  `)
  const [usage] = rows
  assert(usage, 'a sum is always there')
  if (usage.open >= quota.openTicketsMax) {
    const suggestion = 'Complete the uploads that you have begun, or let them expire.'
    throw new AppError('RATE_LIMITED', { details: { suggestion }, retryAfterSeconds: 60 })
  }
  if (usage.kept + usage.promised + body.sizeBytes > quota.bytesPerUser) {
    const details = {
      quotaBytes: quota.bytesPerUser,
      usedBytes: usage.kept + usage.promised,
      suggestion: 'Delete assets that you no longer need.',
    }
    throw new AppError('QUOTA_EXCEEDED', { details })
  }
}

async function insertUpload(
  tx: Transaction,
  { userId, body, idempotency }: UploadRequest,
  mimeType: UploadMimeType,
): Promise<Upload> {
  const id = newId()
  const createdAt = new Date()
  const expiresAt = new Date(createdAt.getTime() + ticketLifeSeconds * 1000)
  const { rows } = await tx.query<Upload>(sql`
    INSERT INTO uploads (id, user_id, module, filename, mime_type, size, sha256, quarantine_key,
      idempotency_key, request_hash, expires_at, created_at)
    VALUES (${id}, ${userId}, ${body.module}, ${cleanFilename(body.filename)}, ${mimeType},
      ${body.sizeBytes}, ${body.sha256 ?? null}, ${quarantinePlace(id).key},
      ${idempotency?.key ?? null}, ${idempotency?.requestHash ?? null}, ${expiresAt}, ${createdAt})
    RETURNING ${uploadColumns}
  `)
  const [upload] = rows
  assert(upload, 'an insert returns its row')
  return upload
}

async function makeTicket(store: ObjectStore, upload: Upload): Promise<UploadTicket> {
  const { url, headers } = await store.presignUpload(quarantinePlace(upload.id), {
    mimeType: upload.mimeType,
    sizeBytes: upload.sizeBytes,
    sha256: upload.sha256,
    signedAt: upload.createdAt,
    expiresInSeconds: ticketLifeSeconds,
  })
  const expiresAt = upload.expiresAt.toISOString()
  return { uploadId: upload.id, upload: { method: 'PUT', url, headers: { ...headers }, expiresAt } }
}

async function listUncleared(database: Queryable, uploadsMax: number): Promise<Upload[]> {
  const { rows } = await database.query<Upload>(sql`
    SELECT ${uploadColumns} FROM uploads
    WHERE cleared_at IS NULL AND expires_at <= now() - ${lastPutSeconds} * interval '1 second'
    ORDER BY expires_at LIMIT ${uploadsMax}
  `)
  return rows
}
