import type { TaskId, UserId } from '@funmagic/contract/ids'
import type { TaskStatus } from '@funmagic/contract/task'
import type { Queryable } from '@funmagic/database/client'
import { sql, type Sql } from '@funmagic/database/sql'
import { moveStep, wakeMoved } from './task-rows.ts'

/** A task that somebody has to look after. Settle each in a transaction of its own. */
export interface StrayTask {
  readonly taskId: TaskId
  readonly userId: UserId
  readonly status: TaskStatus
  readonly attempt: number
}

const strayColumns = sql`id AS "taskId", user_id AS "userId", status, attempt`

/**
 * processing with an expired lease → pending with a wake-up at once. A task that was rescued
 * `rescuesMax` times already is left for findPoisoned (T11). Those with one rescue left get it one
 * after the other: whichever of them kills its worker has none of the others beside it, so they
 * are not given up for what it does. Two sweepers never take the same; at the very same moment each
 * may give one its last try.
 */
export async function rescueExpired(
  database: Queryable,
  options: { limit: number; rescuesMax: number },
): Promise<StrayTask[]> {
  const { limit, rescuesMax } = options
  const isExpired = sql`status = 'processing' AND lease_until < now() AND deadline_at > now()`
  return strays(
    database,
    sql`
      WITH expired AS (
        SELECT id FROM tasks WHERE ${isExpired} AND rescues < ${rescuesMax - 1}
        ORDER BY lease_until LIMIT ${limit} FOR UPDATE SKIP LOCKED
      ), suspect AS (
        SELECT id FROM tasks WHERE ${isExpired} AND rescues = ${rescuesMax - 1}
          AND NOT EXISTS (
            SELECT FROM tasks WHERE status IN ('pending', 'processing') AND deadline_at > now()
              AND rescues >= ${rescuesMax})
        ORDER BY lease_until LIMIT 1 FOR UPDATE SKIP LOCKED
      ), moved AS (
        UPDATE tasks SET status = 'pending', lease_until = NULL, rescues = rescues + 1,
          ready_at = now(), virtual_start = NULL
        FROM (SELECT id FROM expired UNION ALL SELECT id FROM suspect) found
        WHERE tasks.id = found.id
        RETURNING tasks.*
      ), step AS (${moveStep}), wake_up AS (${wakeMoved(0)})
      SELECT ${strayColumns} FROM moved`,
  )
}

/** Tasks whose worker vanished once more after `rescuesMax` rescues: fail them with POISON. */
export async function findPoisoned(
  database: Queryable,
  options: { limit: number; rescuesMax: number },
): Promise<StrayTask[]> {
  return strays(
    database,
    sql`
      SELECT ${strayColumns} FROM tasks
      WHERE status = 'processing' AND lease_until < now() AND rescues >= ${options.rescuesMax}
      ORDER BY lease_until LIMIT ${options.limit}`,
  )
}

/** Open tasks past their deadline, oldest first: fail them with DEADLINE_EXCEEDED (M9, T3). */
export async function findOverdue(
  database: Queryable,
  options: { limit: number },
): Promise<StrayTask[]> {
  return strays(
    database,
    sql`
      SELECT ${strayColumns} FROM tasks
      WHERE status IN ('pending', 'processing') AND deadline_at < now()
      ORDER BY deadline_at LIMIT ${options.limit}`,
  )
}

/**
 * Writes another wake-up for pending tasks whose last one left for the queue more than
 * `olderThanMs` ago and was not followed by a claim (after FLUSHALL, for example; T3). One that
 * is still waiting in the queue is not doubled: both have the same id.
 */
export async function redispatchLost(
  database: Queryable,
  options: { limit: number; olderThanMs: number },
): Promise<StrayTask[]> {
  return strays(
    database,
    sql`
      WITH lost AS (
        SELECT id FROM tasks
        WHERE status = 'pending' AND NOT waits_for_parent
          AND coalesce(dispatched_at, created_at)
            < now() - ${options.olderThanMs} * interval '1 millisecond'
          AND NOT EXISTS (SELECT FROM outbox WHERE key = tasks.id AND sent_at IS NULL)
        ORDER BY coalesce(dispatched_at, created_at) LIMIT ${options.limit} FOR UPDATE SKIP LOCKED
      ), moved AS (
        UPDATE tasks SET dispatched_at = now() FROM lost WHERE tasks.id = lost.id
        RETURNING tasks.*
      ), wake_up AS (${wakeMoved(0)})
      SELECT ${strayColumns} FROM moved`,
  )
}

async function strays(database: Queryable, statement: Sql): Promise<StrayTask[]> {
  const { rows } = await database.query<StrayTask>(statement)
  return rows
}
