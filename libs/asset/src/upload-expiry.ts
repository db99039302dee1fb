import type { UserId } from '@funmagic/contract/ids'
import type { Database, Queryable } from '@funmagic/database/client'
import { empty, sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import type { Place } from './asset.ts'
import { derivativePlaces, placeOfUpload, quarantinePlace } from './object-keys.ts'
import { StoreFailure, type ObjectStore } from './object-store.ts'
import { uploadUrlLifeSeconds } from './upload-addresses.ts'
import { mayHaveParts } from './upload-parts.ts'
import {
  alreadyCompleted,
  readUpload,
  uploadColumns,
  type OwnUpload,
  type Upload,
} from './upload-rows.ts'

interface ExpiryDeps {
  readonly database: Database
  readonly store: ObjectStore
}

/** A PUT that began in the last second of its address may still be sending. */
const lastPutSeconds = 3_600
const endedMax = 1_000
const failuresMax = 10

/** What a sweep has ended and removed, and why it could not remove the rest. */
export interface ExpirySweep {
  readonly expired: number
  readonly cleared: number
  readonly quarantinedBytes: number
  readonly failures: readonly StoreFailure[]
}

/**
 * Ends the tickets that are over, which returns their quota, and removes what was sent with them
 * once nobody can send any more. One that the store does not let go of holds up no other: it is
 * tried again by a later sweep. Sweepers side by side remove the same objects, which is harmless.
 */
export async function expireUploads(
  { database, store }: ExpiryDeps,
  limits: { uploadsMax: number },
  signal: AbortSignal,
): Promise<ExpirySweep> {
  const expired = await endOverdueUploads(database)
  const failures: StoreFailure[] = []
  let cleared = 0
  for (const upload of await listUncleared(database, limits.uploadsMax)) {
    // A store that is away answers nothing: each of the rest would take its whole deadline.
    if (signal.aborted || failures.length === failuresMax) break
    try {
      await clear({ database, store }, upload)
      cleared++
    } catch (error) {
      if (!(error instanceof StoreFailure)) throw error
      failures.push(error)
    }
  }
  return { expired, cleared, quarantinedBytes: await sumQuarantined(database), failures }
}

/**
 * Ends a ticket before its time: its quota returns at once, and so, as far as the store answers,
 * go the bytes; what is sent after that is removed by the sweeper. Repeating it is harmless. Throws
 * NOT_FOUND, and CONFLICT when the upload is an asset already.
 */
export async function cancelUpload({ database, store }: ExpiryDeps, own: OwnUpload): Promise<void> {
  const upload = await inTransaction(database, async tx => {
    const found = await readUpload(tx, own, { forUpdate: true })
    if (found.state === 'completed') throw alreadyCompleted(found)
    await tx.query(sql`
      UPDATE uploads SET state = 'expired',
        expires_at = least(expires_at, now() + ${uploadUrlLifeSeconds} * interval '1 second')
      WHERE id = ${found.id}
    `)
    return found
  })
  try {
    await removeSent(store, upload)
  } catch (error) {
    // The ticket has ended all the same, and the sweeper removes what was sent.
    if (!(error instanceof StoreFailure)) throw error
  }
}

/** Of one user or of all. A ticket that is being completed is left to those who complete it. */
export async function endOverdueUploads(
  database: Queryable,
  { userId }: { userId?: UserId } = {},
): Promise<number> {
  const { rowCount } = await database.query(sql`
    UPDATE uploads SET state = 'expired' WHERE id IN (
      SELECT id FROM uploads WHERE state = 'pending' AND expires_at <= now()
        ${userId === undefined ? empty : sql`AND user_id = ${userId}`}
      ORDER BY expires_at LIMIT ${endedMax} FOR UPDATE SKIP LOCKED
    )
  `)
  return rowCount ?? 0
}

async function clear({ database, store }: ExpiryDeps, upload: Upload): Promise<void> {
  await removeSent(store, upload)
  // A completion that died on the way to its commit has left a picture without a row.
  if (upload.state === 'expired') await removePicture(store, placeOfUpload(upload))
  await database.query(sql`UPDATE uploads SET cleared_at = now() WHERE id = ${upload.id}`)
}

async function removeSent(store: ObjectStore, upload: Upload): Promise<void> {
  const place = quarantinePlace(upload.id)
  await store.remove(place)
  // Also those of which the row does not know: a process may have died in between.
  if (mayHaveParts(upload)) await store.parts.abandon(place)
}

async function removePicture(store: ObjectStore, place: Place): Promise<void> {
  for (const beside of derivativePlaces(place)) await store.remove(beside)
  await store.remove(place)
}

async function listUncleared(database: Queryable, uploadsMax: number): Promise<Upload[]> {
  const { rows } = await database.query<Upload>(sql`
    SELECT ${uploadColumns} FROM uploads
    WHERE cleared_at IS NULL AND expires_at <= now() - ${lastPutSeconds} * interval '1 second'
      AND state <> 'pending'
    -- Not the oldest first: some that are never let go of would stand before the others for good.
    ORDER BY random() LIMIT ${uploadsMax}
  `)
  return rows
}

/** What may lie in quarantine: everything that was promised and has not been removed. */
async function sumQuarantined(database: Queryable): Promise<number> {
  const { rows } = await database.query<{ bytes: number }>(sql`
    SELECT coalesce(sum(size), 0)::bigint AS bytes FROM uploads WHERE cleared_at IS NULL
  `)
  return rows[0]?.bytes ?? 0
}
