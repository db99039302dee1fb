import { createHash } from 'node:crypto'
import { newId, type ReservationId, type TaskId, type UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import type { TaskInput } from '@funmagic/contract/task'
import type { ToolStep } from '@funmagic/contract/tool'
import type { Queryable } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'
import { taskColumns, toTask, wakeMoved, type Task, type TaskRow } from './task-rows.ts'

export interface NewTask {
  readonly userId: UserId
  readonly tool: { readonly id: string; readonly slug: string; readonly version: number }
  readonly step: ToolStep
  readonly creditsCost: number
  readonly input: TaskInput
  readonly parentTaskId?: TaskId | undefined
  readonly requestId: string
  /** From now, by the clock of the database, until the task is given up. */
  readonly timeoutMs: number
  readonly idempotency?: { readonly key: string; readonly requestHash: string } | undefined
}

/** What the caller sets credits aside for: the reservation lives exactly as long as the task. */
export interface Hold {
  readonly taskId: TaskId
  readonly deadlineAt: Date
}

export interface Submission {
  readonly kind: 'recorded' | 'replayed'
  readonly task: Task
}

/**
 * Records the task, its input and its wake-up, or returns the task recorded earlier under the
 * same user and key (M10). `reserve` is called only for a new task, in the same transaction.
 * Throws IDEMPOTENCY_MISMATCH when the key was used for another request.
 */
export async function recordTask(
  tx: Transaction,
  task: NewTask,
  reserve: (hold: Hold) => Promise<ReservationId>,
): Promise<Submission> {
  if (task.idempotency) {
    const submission = { userId: task.userId, ...task.idempotency }
    await lockKey(tx, submission)
    const earlier = await findReplay(tx, submission)
    if (earlier) return { kind: 'replayed', task: earlier }
  }
  const hold = { taskId: newId(), deadlineAt: await deadlineAfter(tx, task.timeoutMs) }
  const reservationId = await reserve(hold)
  return { kind: 'recorded', task: await insertTask(tx, task, { ...hold, reservationId }) }
}

interface SubmissionKey {
  readonly userId: UserId
  readonly key: string
  readonly requestHash: string
}

/** Two submissions under one key at once: the second waits here and then finds the first. */
async function lockKey(tx: Transaction, { userId, key }: SubmissionKey): Promise<void> {
  const name = `task-submission:${userId}:${key}`
  await tx.query(sql`SELECT pg_advisory_xact_lock(hashtextextended(${name}, 0))`)
}

/**
 * The task recorded earlier under the key, so that a repeat is answered before anything is
 * priced or checked again. Throws IDEMPOTENCY_MISMATCH when the key was used for another request.
 */
export async function findReplay(
  database: Queryable,
  submission: SubmissionKey,
): Promise<Task | undefined> {
  const { rows } = await database.query<TaskRow & { requestHash: string; output: unknown }>(sql`
    SELECT ${taskColumns}, t.request_hash AS "requestHash", p.output
    FROM tasks t JOIN task_payloads p ON p.task_id = t.id
    WHERE t.user_id = ${submission.userId} AND t.idempotency_key = ${submission.key}
  `)
  if (!rows[0]) return undefined
  const { requestHash, output, ...row } = rows[0]
  if (requestHash !== submission.requestHash) throw new AppError('IDEMPOTENCY_MISMATCH')
  return toTask(row, output)
}

/** In whole milliseconds, like the columns it goes to. */
async function deadlineAfter(tx: Transaction, timeoutMs: number): Promise<Date> {
  const { rows } = await tx.query<{ deadlineAt: Date }>(sql`
    SELECT (now() + ${timeoutMs} * interval '1 millisecond')::timestamptz(3) AS "deadlineAt"
  `)
  if (!rows[0]) throw new Error('SELECT without FROM returned no row')
  return rows[0].deadlineAt
}

async function insertTask(
  tx: Transaction,
  task: NewTask,
  hold: Hold & { reservationId: ReservationId },
): Promise<Task> {
  const { rows } = await tx.query<TaskRow>(sql`
    WITH moved AS (
      INSERT INTO tasks (id, user_id, tool_id, tool_slug, tool_version, step, current_step_id,
        parent_task_id, reservation_id, credits_cost, deadline_at, idempotency_key,
        request_hash, request_id)
      VALUES (${hold.taskId}, ${task.userId}, ${task.tool.id}, ${task.tool.slug},
        ${task.tool.version}, ${JSON.stringify(task.step)}, ${task.step.id},
        ${task.parentTaskId ?? null}, ${hold.reservationId}, ${task.creditsCost},
        ${hold.deadlineAt}, ${task.idempotency?.key ?? null},
        ${task.idempotency?.requestHash ?? null}, ${task.requestId})
      RETURNING *
    ), payload AS (
      INSERT INTO task_payloads (id, task_id, input)
      SELECT ${newId()}, id, ${JSON.stringify(task.input)}::jsonb FROM moved
    ), step AS (
      INSERT INTO task_steps (id, task_id, step_id, status)
      SELECT ${newId()}, id, current_step_id, status FROM moved
    ), wake_up AS (${wakeMoved(0)})
    SELECT ${taskColumns} FROM moved t
  `)
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
