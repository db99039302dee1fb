import { createHash } from 'node:crypto'
import { newId, type ReservationId, type TaskId, type UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import type { TaskInput } from '@funmagic/contract/task'
import type { ToolStep } from '@funmagic/contract/tool'
import type { Queryable } from '@funmagic/database/client'
import { prepared, sql, type Sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'
import { taskColumns, toTask, wakeMoved, type Task, type TaskRow } from './task-rows.ts'

export interface NewTask {
  readonly userId: UserId
  readonly tool: { readonly id: string; readonly slug: string; readonly version: number }
  readonly step: ToolStep
  readonly creditsCost: number
  readonly input: TaskInput
  readonly parentTaskId?: TaskId | undefined
  /** It works on the first picture that its parent, which is unfinished, will have made. */
  readonly inheritsPicture?: boolean | undefined
  /** The failed task that an operator has repeated by this one. */
  readonly retriedTaskId?: TaskId | undefined
  readonly requestId: string
  /** From when it may run, by the clock of the database, until the task is given up. */
  readonly timeoutMs: number
  readonly idempotency?: { readonly key: string; readonly requestHash: string } | undefined
}

/** What the caller sets credits aside for: the reservation lives exactly as long as the task. */
export interface Hold {
  readonly taskId: TaskId
  /** In whole milliseconds, like the columns it goes to; an expression is the same all through. */
  readonly deadlineAt: Date | Sql
}

/** What the caller has set aside. */
interface Held {
  readonly reservationId: ReservationId
}

export type Submission<Kept extends Held = Held> =
  | { readonly kind: 'recorded'; readonly task: Task; readonly held: Kept }
  | { readonly kind: 'replayed'; readonly task: Task }

/**
 * Records the task, its input and its wake-up, or returns the task recorded earlier under the
 * same user and key (M10). `reserve` is called only for a new task, in the same transaction, which
 * is committed then. While its parent is unfinished the task waits for it, without a wake-up (T8).
 * Throws IDEMPOTENCY_MISMATCH when the key was used for another request, STEP_ORDER when the parent
 * has ended without a result.
 */
export async function recordTask<Kept extends Held>(
  tx: Transaction,
  task: NewTask,
  reserve: (hold: Hold) => Promise<Kept>,
): Promise<Submission<Kept>> {
  if (task.idempotency) {
    const submission = { userId: task.userId, ...task.idempotency }
    await lockKey(tx, submission)
    const earlier = await findReplay(tx, submission)
    if (earlier) return { kind: 'replayed', task: earlier }
  }
  const start = await readStart(tx, task)
  const hold = { taskId: newId(), deadlineAt: start.deadlineAt }
  const held = await reserve(hold)
  const place = { ...hold, reservationId: held.reservationId, waits: start.waits }
  return { kind: 'recorded', task: await insertTask(tx, task, place), held }
}

interface Start extends Pick<Hold, 'deadlineAt'> {
  readonly waits: boolean
}

/**
 * The parent is locked until the end of the transaction, before the credits of its owner are: it
 * can neither complete nor fail between this look at it and the commit of its child.
 */
async function readStart(tx: Transaction, task: NewTask): Promise<Start> {
  const { parentTaskId, timeoutMs } = task
  const time = sql`${timeoutMs} * interval '1 millisecond'`
  if (parentTaskId === undefined) {
    return { waits: false, deadlineAt: sql`(now() + ${time})::timestamptz(3)` }
  }
  const { rows } = await tx.query<{ waits: boolean; deadlineAt: Date; isLost: boolean }>(sql`
    SELECT status IN ('pending', 'processing') AS waits,
      status IN ('failed', 'canceled') AS "isLost",
      (CASE WHEN status IN ('pending', 'processing') THEN greatest(deadline_at, now())
        ELSE now() END + ${time})::timestamptz(3) AS "deadlineAt"
    FROM tasks WHERE id = ${parentTaskId} AND user_id = ${task.userId} FOR SHARE
  `)
  const [start] = rows
  if (!start) throw new AppError('NOT_FOUND', { details: { field: 'parentTaskId' } })
  if (start.isLost) throw new AppError('STEP_ORDER', { details: { field: 'parentTaskId' } })
  return start
}

interface SubmissionKey {
  readonly userId: UserId
  readonly key: string
  readonly requestHash: string
}

/** Two submissions under one key at once: the second waits here and then finds the first. */
async function lockKey(tx: Transaction, { userId, key }: SubmissionKey): Promise<void> {
  const name = `task-submission:${userId}:${key}`
  await tx.query(prepared(sql`SELECT pg_advisory_xact_lock(hashtextextended(${name}, 0))`))
}

/**
 * The task recorded earlier under the key, so that a repeat is answered before anything is
 * priced or checked again. Throws IDEMPOTENCY_MISMATCH when the key was used for another request.
 */
export async function findReplay(
  database: Queryable,
  submission: SubmissionKey,
): Promise<Task | undefined> {
  const { rows } = await database.query<TaskRow & { requestHash: string; output: unknown }>(
    prepared(sql`
    SELECT ${taskColumns}, t.request_hash AS "requestHash", p.output
    FROM tasks t JOIN task_payloads p ON p.task_id = t.id
    WHERE t.user_id = ${submission.userId} AND t.idempotency_key = ${submission.key}
  `),
  )
  if (!rows[0]) return undefined
  const { requestHash, output, ...row } = rows[0]
  if (requestHash !== submission.requestHash) throw new AppError('IDEMPOTENCY_MISMATCH')
  return toTask(row, output)
}

async function insertTask(
  tx: Transaction,
  task: NewTask,
  hold: Hold & { reservationId: ReservationId; waits: boolean },
): Promise<Task> {
  const { rows } = await tx.commitWith<TaskRow>(
    prepared(sql`
    WITH moved AS (
      INSERT INTO tasks (id, user_id, tool_id, tool_slug, tool_version, step, current_step_id,
        parent_task_id, reservation_id, credits_cost, deadline_at, idempotency_key,
        request_hash, request_id, waits_for_parent, inherits_picture, retried_task_id, timeout_ms,
        ready_at)
      VALUES (${hold.taskId}, ${task.userId}, ${task.tool.id}, ${task.tool.slug},
        ${task.tool.version}, ${JSON.stringify(task.step)}, ${task.step.id},
        ${task.parentTaskId ?? null}, ${hold.reservationId}, ${task.creditsCost},
        ${hold.deadlineAt}, ${task.idempotency?.key ?? null},
        ${task.idempotency?.requestHash ?? null}, ${task.requestId}, ${hold.waits},
        ${task.inheritsPicture ?? false}, ${task.retriedTaskId ?? null}, ${task.timeoutMs},
        CASE WHEN NOT ${hold.waits} THEN now() END)
      RETURNING *
    ), payload AS (
      INSERT INTO task_payloads (id, task_id, input)
      SELECT ${newId()}, id, ${JSON.stringify(task.input)}::jsonb FROM moved
    ), step AS (
      INSERT INTO task_steps (id, task_id, step_id, status)
      SELECT ${newId()}, id, current_step_id, status FROM moved
    ), wake_up AS (${wakeMoved(0)})
    SELECT ${taskColumns} FROM moved t
  `),
  )
  if (!rows[0]) throw new Error('INSERT of a task returned no row')
  return toTask(rows[0], null)
}

/** SHA-256 of the request, the same for every order of its properties. */
export function requestHashOf(request: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(request, sortProperties) ?? '')
    .digest('hex')
}

function sortProperties(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
