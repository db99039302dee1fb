import { newId, type AssetId, type TaskId, type UserId } from '@funmagic/contract/ids'
import { insertOutputAsset } from '@funmagic/asset/ingest'
import type { Database } from '@funmagic/database/client'
import { raw, sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import { confirm } from '@funmagic/ledger/reservations'
import { claimTask, completeTask } from '@funmagic/task/lifecycle'

interface NewPicture {
  readonly storageKey: string
  readonly mimeType?: string
  readonly visibility?: 'private' | 'public'
}

/** A ready asset, as a completed upload leaves it. */
export async function addAsset(
  database: Database,
  userId: UserId,
  { storageKey, mimeType = 'image/png', visibility = 'private' }: NewPicture,
): Promise<AssetId> {
  const id = newId()
  const bucket = storageKey.split('/', 1)[0]
  await database.query(sql`
    INSERT INTO assets (id, user_id, module, bucket, storage_key, visibility, mime_type, size,
      sha256, published_at)
    VALUES (${id}, ${userId}, 'upload', ${bucket}::asset_bucket, ${storageKey},
      ${visibility}::asset_visibility, ${mimeType}, 1000, ${'a'.repeat(64)},
      CASE WHEN ${visibility} = 'public' THEN now() END)
  `)
  return id
}

/** What the worker does with a task: claims it, makes one picture, and settles. */
export async function complete(database: Database, taskId: TaskId): Promise<AssetId> {
  const task = await claimTask(database, { taskId, leaseMs: 30_000 })
  if (task === undefined) throw new Error(`task ${taskId} cannot be claimed`)
  const { userId, attempt, reservationId, creditsCost } = task
  return inTransaction(database, async tx => {
    const asset = await insertOutputAsset(tx, {
      id: newId(),
      userId,
      module: 'painter',
      bucket: 'private',
      storageKey: `private/${userId}/painter/${taskId}.png`,
      filename: null,
      mimeType: 'image/png',
      sizeBytes: 1000,
      sha256: 'b'.repeat(64),
      width: 64,
      height: 64,
      derivatives: [],
      thumbhash: null,
      taskId,
      taskOutput: 0,
    })
    const done = await completeTask(tx, { taskId, attempt, output: { assetIds: [asset.id] } })
    if (done === undefined) throw new Error(`task ${taskId} is no longer ours`)
    await confirm(tx, reservationId, creditsCost)
    return asset.id
  })
}

/** What the clock does, for one task. */
export async function expireLease(database: Database, taskId: TaskId): Promise<void> {
  await database.query(
    sql`UPDATE tasks SET lease_until = now() - interval '1 second' WHERE id = ${taskId}`,
  )
}

/** The deadline of the reservation passes with that of its task. */
export async function passDeadline(database: Database, taskId: TaskId): Promise<void> {
  await database.query(
    sql`UPDATE tasks SET deadline_at = now() - interval '1 second' WHERE id = ${taskId}`,
  )
  await database.query(sql`
    UPDATE credit_reservations SET deadline_at = now() - interval '1 second'
    WHERE reference_id = ${taskId}
  `)
}

export async function countRows(database: Database, table: string): Promise<number> {
  const { rows } = await database.query<{ n: number }>(sql`SELECT count(*) AS n FROM ${raw(table)}`)
  return rows[0]?.n ?? 0
}

/** The user's rows of everything that a submission writes. */
export async function countEffects(database: Database, userId: UserId) {
  const { rows } = await database.query<{ tasks: number; reservations: number; wakeUps: number }>(
    sql`
      SELECT (SELECT count(*) FROM tasks WHERE user_id = ${userId}) AS tasks,
        (SELECT count(*) FROM credit_reservations WHERE user_id = ${userId}) AS reservations,
        (SELECT count(*) FROM outbox JOIN tasks ON tasks.id = outbox.key
          WHERE user_id = ${userId}) AS "wakeUps"`,
  )
  return rows[0]
}

/**
 * M6 and M7 over tasks and ledger together, which only a test may read at once: a task has ended
 * exactly when its credits are settled, completed ones by a spend and the others by a release.
 */
export async function findUnsettled(database: Database): Promise<object[]> {
  const { rows } = await database.query<object>(sql`
    SELECT t.id, t.status, r.state FROM tasks t
    FULL JOIN credit_reservations r ON r.id = t.reservation_id
    WHERE r.state::text IS DISTINCT FROM CASE
      WHEN t.status IN ('pending', 'processing') THEN 'open'
      WHEN t.status = 'completed' THEN 'confirmed' ELSE 'released' END
  `)
  return rows
}
