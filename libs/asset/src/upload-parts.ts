import type { UploadPart, UploadParts, UploadProgress } from '@funmagic/contract/asset'
import { AppError } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { quarantinePlace } from './object-keys.ts'
import type { ObjectStore } from './object-store.ts'
import { addressEnd, secondsBetween } from './upload-addresses.ts'
import {
  ownUpload,
  readOpenUpload,
  readUpload,
  type OwnUpload,
  type Upload,
} from './upload-rows.ts'

// A large file may be sent in parts instead of in one piece: the client asks for the addresses of
// a few parts at a time, and after a refresh for the list of those that have arrived. Completing
// the upload joins them in quarantine; from there on nothing differs.

/** From this size a ticket offers parts. */
export const partsFromBytes = 8 * 1024 * 1024
/** S3 takes no smaller ones, but for the last. */
export const partSizeBytes = 5 * 1024 * 1024
/** Addresses are signed just before they are used. */
export const partsPerRequestMax = 4

interface PartDeps {
  readonly database: Database
  readonly store: ObjectStore
}

interface ExpectedPart {
  readonly partNumber: number
  readonly sizeBytes: number
}

export function mayHaveParts({ sizeBytes }: { sizeBytes: number }): boolean {
  return sizeBytes >= partsFromBytes
}

/** The parts that make the file: none for one that goes in one piece. */
export function partsOf({ sizeBytes }: { sizeBytes: number }): ExpectedPart[] {
  if (!mayHaveParts({ sizeBytes })) return []
  return Array.from({ length: Math.ceil(sizeBytes / partSizeBytes) }, (_, index) => ({
    partNumber: index + 1,
    sizeBytes: Math.min(partSizeBytes, sizeBytes - index * partSizeBytes),
  }))
}

/**
 * Addresses for some parts of an upload; a part that is sent again takes the place of the first.
 * Throws NOT_FOUND, TICKET_EXPIRED, CONFLICT for a completed upload or one without parts, and
 * VALIDATION_FAILED for a part that there is not.
 */
export async function signParts(
  deps: PartDeps,
  own: OwnUpload,
  partNumbers: readonly number[],
): Promise<UploadParts> {
  const upload = await readOpenUpload(deps.database, own)
  const expected = partsOf(upload)
  if (expected.length === 0) throw withoutParts()
  const multipartId = upload.multipartId ?? (await beginParts(deps, upload))
  const signedAt = new Date()
  const expiresAt = addressEnd(upload, signedAt)
  const parts: UploadPart[] = []
  for (const partNumber of partNumbers) {
    const part = expected[partNumber - 1]
    if (part === undefined) throw noSuchPart(expected.length)
    const { url, headers } = await deps.store.parts.presign(quarantinePlace(upload.id), {
      ...part,
      multipartId,
      signedAt,
      expiresInSeconds: secondsBetween(signedAt, expiresAt),
    })
    const put = { method: 'PUT' as const, url, headers: { ...headers } }
    parts.push({ ...part, ...put, expiresAt: expiresAt.toISOString() })
  }
  return { parts }
}

/** How far an upload has come, and which of its parts have arrived. NOT_FOUND for another's. */
export async function readProgress(deps: PartDeps, own: OwnUpload): Promise<UploadProgress> {
  const upload = await readUpload(deps.database, own)
  const hasEnded = upload.state === 'pending' && upload.expiresAt.getTime() <= Date.now()
  const sent = upload.state === 'pending' ? await listSent(deps.store, upload) : []
  return {
    uploadId: upload.id,
    state: hasEnded ? 'expired' : upload.state,
    assetId: upload.assetId,
    sizeBytes: upload.sizeBytes,
    expiresAt: upload.expiresAt.toISOString(),
    parts: partsOf(upload).map(part => ({ ...part, isSent: isAmong(sent, part) })),
  }
}

/**
 * Makes one object in quarantine of the parts that were sent, unless somebody else has done so.
 * Throws UPLOAD_INCOMPLETE, which names the parts that are missing.
 */
export async function joinParts(store: ObjectStore, upload: Upload): Promise<void> {
  const place = quarantinePlace(upload.id)
  if (upload.multipartId === null) throw new AppError('UPLOAD_INCOMPLETE')
  const sent = await store.parts.list(place, upload.multipartId)
  if (sent === undefined) return
  const missing = partsOf(upload).filter(part => !isAmong(sent, part))
  if (missing.length > 0) {
    const missingParts = missing.map(({ partNumber }) => partNumber)
    const suggestion = 'Send the missing parts, then complete the upload again.'
    throw new AppError('UPLOAD_INCOMPLETE', { details: { missingParts, suggestion } })
  }
  await store.parts.join(place, { multipartId: upload.multipartId, parts: sent })
}

/** Of several requests that begin at once, one is kept; what the others began is removed. */
async function beginParts({ database, store }: PartDeps, upload: Upload): Promise<string> {
  const { mimeType, id: uploadId } = upload
  const begun = await store.parts.begin(quarantinePlace(uploadId), { mimeType })
  await database.query(sql`
    UPDATE uploads SET multipart_id = ${begun}
    WHERE id = ${uploadId} AND multipart_id IS NULL AND state = 'pending'
  `)
  // What another request began meanwhile is the one that counts; ours is removed with the upload.
  const { multipartId } = await readOpenUpload(database, ownUpload(upload))
  return multipartId ?? begun
}

async function listSent(store: ObjectStore, upload: Upload) {
  if (upload.multipartId === null) return []
  return (await store.parts.list(quarantinePlace(upload.id), upload.multipartId)) ?? []
}

function isAmong(sent: readonly ExpectedPart[], part: ExpectedPart): boolean {
  return sent.some(
    ({ partNumber, sizeBytes }) => partNumber === part.partNumber && sizeBytes === part.sizeBytes,
  )
}

function withoutParts(): AppError {
  const suggestion = 'Send this file in one piece, to the address of its ticket.'
  return new AppError('CONFLICT', { details: { suggestion } })
}

function noSuchPart(partsCount: number): AppError {
  const suggestion = `Parts are numbered from 1 to ${partsCount}.`
  return new AppError('VALIDATION_FAILED', { details: { field: 'partNumbers', suggestion } })
}
