import type { TaskJob } from '@funmagic/contract/task'
import type { Database, Queryable } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { inTransaction, type Transaction } from '@funmagic/database/transaction'

/** A wake-up on its way to the queue. The id is the same for every repeat of one wake-up. */
export interface WakeUp {
  readonly id: string
  readonly job: TaskJob
}

/**
 * Sends due wake-ups, oldest first, and marks them sent after `send` succeeded; returns how many.
 * Rows taken by another relay are skipped. A crash in between sends them again, which is harmless:
 * only a claim has an effect. `send` must give up within 4 seconds, as a transaction is open.
 */
export async function relayOutbox(
  database: Database,
  send: (wakeUps: readonly WakeUp[]) => Promise<void>,
  options: { batchSize: number },
): Promise<number> {
  return inTransaction(database, async tx => {
    const rows = await lockDue(tx, options.batchSize)
    if (rows.length === 0) return 0
    await send(rows.map(({ payload }) => toWakeUp(payload)))
    await markSent(
      tx,
      rows.map(row => row.id),
    )
    return rows.length
  })
}

interface OutboxRow {
  readonly id: number
  readonly payload: TaskJob & { readonly attempt: number }
}

async function lockDue(tx: Transaction, batchSize: number): Promise<OutboxRow[]> {
  const { rows } = await tx.query<OutboxRow>(sql`
    SELECT id, payload FROM outbox
    WHERE topic = 'task' AND sent_at IS NULL AND available_at <= now()
    ORDER BY available_at, id LIMIT ${batchSize} FOR UPDATE SKIP LOCKED
  `)
  return rows
}

/**
 * Named for the attempt it ends: a repeat of a wake-up that still waits in the queue has the same
 * id and collapses, and the one after the next hand-back has another.
 */
function toWakeUp({ taskId, requestId, attempt }: OutboxRow['payload']): WakeUp {
  return { id: `${taskId}-${attempt}`, job: { taskId, requestId } }
}

/** A task that somebody holds is left alone: it is being claimed or finished at this moment. */
async function markSent(tx: Transaction, ids: number[]): Promise<void> {
  await tx.query(sql`
    WITH sent AS (
      UPDATE outbox SET sent_at = clock_timestamp() WHERE id = ANY (${ids}) RETURNING key
    ), pending AS (
      SELECT id FROM tasks WHERE id IN (SELECT key FROM sent) AND status = 'pending'
      FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE tasks SET dispatched_at = clock_timestamp()
    FROM pending WHERE tasks.id = pending.id
  `)
}

/** How many wake-ups are due but not sent, and for how long the oldest has been (T5). */
export async function readBacklog(
  database: Queryable,
): Promise<{ unsent: number; oldestAgeMs: number }> {
  const { rows } = await database.query<{ unsent: number; oldestAgeMs: number }>(sql`
    SELECT count(*) AS unsent,
      coalesce(extract(epoch FROM now() - min(available_at)) * 1000, 0)::float8 AS "oldestAgeMs"
    FROM outbox WHERE topic = 'task' AND sent_at IS NULL AND available_at <= now()
  `)
  return rows[0] ?? { unsent: 0, oldestAgeMs: 0 }
}

/** Deletes at most `limit` wake-ups that were sent longer ago than the age; returns how many. */
export async function purgeSent(
  database: Queryable,
  options: { olderThanMs: number; limit: number },
): Promise<number> {
  const { rowCount } = await database.query(sql`
    DELETE FROM outbox WHERE id IN (
      SELECT id FROM outbox
      WHERE sent_at < now() - ${options.olderThanMs} * interval '1 millisecond'
      ORDER BY sent_at LIMIT ${options.limit} FOR UPDATE SKIP LOCKED
    )
  `)
  return rowCount ?? 0
}
