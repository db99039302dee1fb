import type { TaskId, UserId } from '@funmagic/contract/ids'
import type { TaskJob } from '@funmagic/contract/task'
import type { Database, Queryable } from '@funmagic/database/client'
import { prepared, sql } from '@funmagic/database/sql'
import { inTransaction, type Transaction } from '@funmagic/database/transaction'
import { flowOf, planStarts, priorityOf, renumberFrom } from './fairness.ts'
import { wakeMoved } from './task-rows.ts'

/** A wake-up on its way to the queue. The id is the same for every repeat of one wake-up. */
export interface WakeUp {
  readonly id: string
  readonly job: TaskJob
  /** The lowest number is served first; see fairness.ts. */
  readonly priority: number
  /** It may still wait in the queue, with another priority. */
  readonly isRepeat: boolean
}

const relayLock = 'task-outbox-relay'

/**
 * Sends due wake-ups, oldest first, and marks them sent after `send` succeeded; returns how many
 * are done with. One relay works at a time, because each gives the tasks their places in the order
 * of the queue; another returns 0 at once. A crash in between sends them again, which is harmless:
 * only a claim has an effect. `send` must give up within 4 seconds, as a transaction is open.
 */
export async function relayOutbox(
  database: Database,
  send: (wakeUps: readonly WakeUp[]) => Promise<void>,
  options: { batchSize: number; renumberFrom?: number | undefined },
): Promise<number> {
  return inTransaction(database, async tx => {
    const rows = await takeDue(tx, options.batchSize)
    if (rows.length === 0) return 0
    const tasks = await readPending(tx, rows)
    const virtualTime = tasks[0]?.virtualTime ?? 0
    if (virtualTime >= (options.renumberFrom ?? renumberFrom)) {
      await renumber(tx, virtualTime)
      return 0
    }
    const starts = placeTasks(tasks, virtualTime)
    const byId = new Map(tasks.map(task => [task.taskId, task]))
    const wakeUps = rows.flatMap(({ payload }) => {
      const task = byId.get(payload.taskId)
      return task === undefined ? [] : [toWakeUp(payload, task, starts)]
    })
    if (wakeUps.length > 0) await send(wakeUps)
    await markSent(tx, rows, starts)
    return rows.length
  })
}

interface OutboxRow {
  readonly id: number
  readonly payload: TaskJob & { readonly attempt: number }
}

/** What is due, for whoever's turn it is; nothing for another. */
async function takeDue(tx: Transaction, batchSize: number): Promise<OutboxRow[]> {
  const { rows } = await tx.query<OutboxRow>(
    prepared(sql`
    WITH turn AS MATERIALIZED (
      SELECT pg_try_advisory_xact_lock(hashtextextended(${relayLock}, 0)) AS is_ours
    )
    SELECT id, payload FROM outbox
    WHERE (SELECT is_ours FROM turn) AND topic = 'task' AND sent_at IS NULL
      AND available_at <= now()
    ORDER BY available_at, id LIMIT ${batchSize} FOR UPDATE OF outbox SKIP LOCKED
  `),
  )
  return rows
}

const isQueued = sql`status = 'pending' AND virtual_start IS NOT NULL`

/**
 * Priorities have an end, and a queue that is never empty for a million rounds would reach it: all
 * that waits is counted from 0 again, and told to the queue anew.
 */
async function renumber(tx: Transaction, virtualTime: number): Promise<void> {
  await tx.query(sql`
    WITH queued AS (
      SELECT id FROM tasks WHERE ${isQueued} FOR NO KEY UPDATE SKIP LOCKED
    ), moved AS (
      UPDATE tasks SET virtual_start = virtual_start - ${virtualTime}
      FROM queued WHERE tasks.id = queued.id
      RETURNING tasks.*
    )
    ${wakeMoved(0)}
  `)
}

interface PendingTask {
  readonly taskId: TaskId
  readonly userId: UserId
  readonly isReturn: boolean
  readonly virtualStart: number | null
  /** The greatest start that waits of its flow, for a task that has none yet. */
  readonly lastStart: number | null
  /** Of the whole queue. */
  readonly virtualTime: number
}

/**
 * In the order of the wake-ups. A task that has moved on needs none: it has another, or no use. It
 * is a statement of its own, because only one that begins when the turn is taken sees all the
 * starts that were given before. Each task is looked up by its id (OFFSET 0 keeps it so): a plan
 * made while few tasks waited would read all that wait, and connections keep their plans.
 */
async function readPending(tx: Transaction, due: readonly OutboxRow[]): Promise<PendingTask[]> {
  const taskIds = [...new Set(due.map(({ payload }) => payload.taskId))]
  const { rows } = await tx.query<PendingTask>(
    prepared(sql`
    WITH pending AS (
      SELECT place, id, user_id, attempt > 0 AS is_return, virtual_start
      FROM unnest(${taskIds}::uuid[]) WITH ORDINALITY AS due (task_id, place)
      CROSS JOIN LATERAL (SELECT * FROM tasks WHERE id = due.task_id OFFSET 0) task
      WHERE status = 'pending' AND NOT waits_for_parent
    ), flows AS MATERIALIZED (
      SELECT user_id, is_return,
        (SELECT max(virtual_start) FROM tasks
         WHERE user_id = flow.user_id AND (attempt > 0) = flow.is_return AND ${isQueued}) AS last
      FROM (SELECT DISTINCT user_id, is_return FROM pending WHERE virtual_start IS NULL) flow
    )
    SELECT id AS "taskId", user_id AS "userId", is_return AS "isReturn",
      virtual_start AS "virtualStart", last AS "lastStart",
      (SELECT coalesce(min(virtual_start), 0)::int8 FROM tasks WHERE ${isQueued}) AS "virtualTime"
    FROM pending LEFT JOIN flows USING (user_id, is_return)
    ORDER BY place
  `),
  )
  return rows
}

/** The starts of the tasks: the one that a task has, or its place behind those of its user. */
function placeTasks(
  tasks: readonly PendingTask[],
  virtualTime: number,
): ReadonlyMap<TaskId, number> {
  const starts = new Map<TaskId, number>()
  const lastStarts = new Map<string, number>()
  for (const task of tasks) {
    if (task.virtualStart !== null) starts.set(task.taskId, task.virtualStart)
    if (task.lastStart !== null) lastStarts.set(flowOf(task), task.lastStart)
  }
  const newcomers = tasks.filter(({ virtualStart }) => virtualStart === null)
  const planned = planStarts({ virtualTime, lastStarts }, newcomers.map(flowOf))
  for (const [place, { taskId }] of newcomers.entries()) starts.set(taskId, planned[place] ?? 0)
  return starts
}

/**
 * Named for the attempt it ends: a repeat of a wake-up that still waits in the queue has the same
 * id and collapses, and the one after the next hand-back has another.
 */
function toWakeUp(
  { taskId, requestId, attempt }: OutboxRow['payload'],
  { virtualStart }: PendingTask,
  starts: ReadonlyMap<TaskId, number>,
): WakeUp {
  return {
    id: `${taskId}-${attempt}`,
    job: { taskId, requestId },
    priority: priorityOf(starts.get(taskId) ?? 0),
    isRepeat: virtualStart !== null,
  }
}

/**
 * Ends the transaction. A task that somebody holds is left alone: it is being claimed or finished.
 * Each is found by its id and changed at its place, as in readPending.
 */
async function markSent(
  tx: Transaction,
  sent: readonly OutboxRow[],
  starts: ReadonlyMap<TaskId, number>,
): Promise<void> {
  await tx.commitWith(
    prepared(sql`
    WITH sent AS (
      UPDATE outbox SET sent_at = clock_timestamp()
      WHERE id = ANY (${sent.map(({ id }) => id)}::int8[])
    ), placed AS (
      SELECT place, start
      FROM unnest(${[...starts.keys()]}::uuid[], ${[...starts.values()]}::int8[])
        AS given (task_id, start)
      CROSS JOIN LATERAL (
        SELECT ctid AS place FROM tasks WHERE id = given.task_id AND status = 'pending'
        FOR NO KEY UPDATE SKIP LOCKED
      ) task
    )
    UPDATE tasks SET dispatched_at = clock_timestamp(), virtual_start = placed.start
    FROM placed WHERE tasks.ctid = placed.place
  `),
  )
}

/**
 * Makes the wake-up of a task that waits to ask for this call again due now: there is news of the
 * call. It changes nothing for a task that runs, waits for no delay, or is over.
 */
export async function hastenWakeUp(database: Queryable, callId: string): Promise<boolean> {
  const { rowCount } = await database.query(sql`
    WITH waiting AS (
      UPDATE tasks SET ready_at = now() FROM provider_calls call
      WHERE call.id = ${callId}::uuid AND call.state = 'submitted' AND tasks.id = call.task_id
        AND tasks.status = 'pending' AND tasks.ready_at > now()
      RETURNING tasks.id
    )
    UPDATE outbox SET available_at = now() FROM waiting
    WHERE topic = 'task' AND key = waiting.id AND sent_at IS NULL AND available_at > now()
  `)
  return (rowCount ?? 0) > 0
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
