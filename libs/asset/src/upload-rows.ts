import type { UploadMimeType } from '@funmagic/contract/asset'
import type { AssetPurpose } from './asset.ts'
import type { AssetId, UploadId, UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import type { Queryable } from '@funmagic/database/client'
import { empty, sql } from '@funmagic/database/sql'

export interface Upload {
  readonly id: UploadId
  readonly userId: UserId
  readonly purpose: AssetPurpose
  /** Of an audit file, its audit type. */
  readonly module: string
  readonly filename: string
  readonly mimeType: UploadMimeType
  readonly sizeBytes: number
  readonly sha256: string | null
  readonly state: 'pending' | 'completed' | 'expired'
  readonly assetId: AssetId | null
  readonly requestHash: string | null
  /** The store's name of the bytes that arrive in parts, once a part was asked for. */
  readonly multipartId: string | null
  readonly expiresAt: Date
  readonly createdAt: Date
}

/** Users upload for themselves; administrators also for the platform, by other routes (S11). */
export type UploadSide = 'user' | 'platform'

export interface OwnUpload {
  readonly userId: UserId
  readonly uploadId: UploadId
  /** A user's own unless it says so. */
  readonly side?: UploadSide | undefined
}

export const uploadColumns = sql`
  id, user_id AS "userId", purpose, module, filename, mime_type AS "mimeType",
  size AS "sizeBytes", sha256, state, asset_id AS "assetId", request_hash AS "requestHash",
  multipart_id AS "multipartId", expires_at AS "expiresAt", created_at AS "createdAt"`

/** What names the upload again. */
export function ownUpload({ userId, id: uploadId, purpose }: Upload): OwnUpload {
  return { userId, uploadId, side: purpose === 'user' ? 'user' : 'platform' }
}

/** NOT_FOUND for another's, and for one of the other side. */
export async function readUpload(
  database: Queryable,
  own: OwnUpload,
  { forUpdate } = { forUpdate: false },
): Promise<Upload> {
  const { rows } = await database.query<Upload>(sql`
    SELECT ${uploadColumns} FROM uploads
    WHERE id = ${own.uploadId} AND user_id = ${own.userId}
      AND (purpose <> 'user') = ${own.side === 'platform'}
      ${forUpdate ? sql`FOR UPDATE` : empty}
  `)
  const [upload] = rows
  if (upload === undefined) throw new AppError('NOT_FOUND')
  return upload
}

/** An upload that takes bytes; otherwise CONFLICT after it was completed, or TICKET_EXPIRED. */
export async function readOpenUpload(database: Queryable, own: OwnUpload): Promise<Upload> {
  const upload = await readUpload(database, own)
  if (upload.state === 'completed') throw alreadyCompleted(upload)
  refuseExpired(upload)
  return upload
}

export function alreadyCompleted({ assetId }: Upload): AppError {
  const suggestion = 'This upload is an asset already: use it, or delete the asset.'
  return new AppError('CONFLICT', { details: { assetId, suggestion } })
}

export function refuseExpired(upload: Upload): void {
  if (upload.state === 'expired' || upload.expiresAt.getTime() <= Date.now()) {
    throw new AppError('TICKET_EXPIRED')
  }
}
