import type { ReservationId, TaskId, UserId } from '@funmagic/contract/ids'
import type { TaskInput } from '@funmagic/contract/task'
import type { Queryable } from '@funmagic/database/client'
import { sql, type Sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'
import { moveStep, taskColumns, toTask, wakeMoved, type TaskRow } from './task-rows.ts'
import { failureMessages, type FailureCode } from './task-state.ts'
import type { Task, TaskOutput } from './tasks.ts'

/** One claim of a task. Every write names it, and writes nothing once the task has moved on. */
export interface Claim {
  readonly taskId: TaskId
  readonly attempt: number
}

export interface ClaimedTask extends Task {
  readonly input: TaskInput
  /** How often a worker vanished with this task; see rescueExpired. */
  readonly rescues: number
}

/** What whoever finished a task needs to settle its credits and to tell its owner. */
export interface FinishedTask {
  readonly taskId: TaskId
  readonly userId: UserId
  readonly toolSlug: string
  readonly stepId: string
  readonly attempt: number
  readonly reservationId: ReservationId
  readonly creditsCost: number
  readonly createdAt: Date
  readonly startedAt: Date | null
  readonly finishedAt: Date
}

/** What was said to and by the provider, for operators; redacted by the caller. */
export interface ProviderRecord {
  readonly request?: object | undefined
  readonly response?: object | undefined
  readonly meta?: object | undefined
}

/**
 * pending → processing with the next attempt, for as long as the lease. Undefined when there is
 * nothing to claim: taken, finished, past its deadline, or never there (T10).
 */
export async function claimTask(
  database: Queryable,
  claim: { taskId: TaskId; leaseMs: number },
): Promise<ClaimedTask | undefined> {
  type Row = TaskRow & { readonly rescues: number; readonly input: TaskInput }
  const { rows } = await database.query<Row>(sql`
    WITH moved AS (
      UPDATE tasks SET status = 'processing', attempt = attempt + 1,
        lease_until = now() + ${claim.leaseMs} * interval '1 millisecond',
        started_at = coalesce(started_at, now())
      WHERE id = ${claim.taskId} AND status = 'pending' AND deadline_at > now()
      RETURNING *
    ), step AS (${moveStep})
    SELECT ${taskColumns}, t.rescues, p.input
    FROM moved t JOIN task_payloads p ON p.task_id = t.id
  `)
  if (!rows[0]) return undefined
  const { rescues, input, ...row } = rows[0]
  return { ...toTask(row, null), rescues, input }
}

/** False when the claim is over (fencing, T2): the worker must drop what it does. */
export async function renewLease(
  database: Queryable,
  claim: Claim & { leaseMs: number },
): Promise<boolean> {
  const { rowCount } = await database.query(sql`
    UPDATE tasks SET lease_until = now() + ${claim.leaseMs} * interval '1 millisecond'
    WHERE ${isClaimedBy(claim)}
  `)
  return rowCount === 1
}

/** Raises the percentage, never lowers it (P3). False when the claim is over. */
export async function reportProgress(
  database: Queryable,
  claim: Claim & { progress: number },
): Promise<boolean> {
  const { rowCount } = await database.query(sql`
    UPDATE tasks SET progress = greatest(progress, ${claim.progress}::smallint)
    WHERE ${isClaimedBy(claim)}
  `)
  return rowCount === 1
}

/** processing → completed. Undefined when the claim is over: then nothing may be settled. */
export async function completeTask(
  tx: Transaction,
  completion: Claim & { output: TaskOutput; provider?: ProviderRecord | undefined },
): Promise<FinishedTask | undefined> {
  return finish(tx, {
    set: sql`status = 'completed', progress = 100`,
    where: isClaimedBy(completion),
    payload: { output: completion.output, provider: completion.provider },
  })
}

export interface Failure {
  readonly taskId: TaskId
  readonly attempt?: number | undefined
  readonly code: FailureCode
  /** For operators: what exactly went wrong, without secrets. */
  readonly detail?: string | undefined
  readonly provider?: ProviderRecord | undefined
}

/**
 * → failed. With an attempt it is a worker's verdict and fenced; without one it is the sweeper's
 * and takes a pending or processing task. Undefined when there was nothing to fail.
 */
export async function failTask(
  tx: Transaction,
  failure: Failure,
): Promise<FinishedTask | undefined> {
  const { taskId, attempt, code } = failure
  const isOpen = sql`id = ${taskId} AND status IN ('pending', 'processing')`
  return finish(tx, {
    set: sql`status = 'failed', error_code = ${code}, error_message = ${failureMessages[code]}`,
    where: attempt === undefined ? isOpen : isClaimedBy({ taskId, attempt }),
    payload: { error: failure.detail, provider: failure.provider },
  })
}

/**
 * → canceled, from pending and, when `whileProcessing`, from processing as well. Undefined when
 * the user has no such task or it is past that point; findTask tells which (T15).
 */
export async function cancelTask(
  tx: Transaction,
  cancellation: { taskId: TaskId; userId: UserId; whileProcessing: boolean },
): Promise<FinishedTask | undefined> {
  const from = cancellation.whileProcessing ? ['pending', 'processing'] : ['pending']
  return finish(tx, {
    set: sql`status = 'canceled'`,
    where: sql`id = ${cancellation.taskId} AND user_id = ${cancellation.userId}
      AND status = ANY (${from}::task_status[])`,
    payload: {},
  })
}

/**
 * processing → pending, with a wake-up after the delay, so that another claim can go on with it.
 * `countRetry` counts it as a failure of the provider (TR4). Undefined when the claim is over.
 */
export async function handBack(
  database: Queryable,
  handBack: Claim & { delayMs: number; countRetry: boolean },
): Promise<{ retries: number } | undefined> {
  const { rows } = await database.query<{ retries: number }>(sql`
    WITH moved AS (
      UPDATE tasks SET status = 'pending', lease_until = NULL,
        retries = retries + ${handBack.countRetry ? 1 : 0}
      WHERE ${isClaimedBy(handBack)}
      RETURNING *
    ), step AS (${moveStep}), wake_up AS (${wakeMoved(handBack.delayMs)})
    SELECT retries FROM moved
  `)
  return rows[0]
}

function isClaimedBy({ taskId, attempt }: Claim): Sql {
  return sql`id = ${taskId} AND attempt = ${attempt} AND status = 'processing'`
}

interface Finish {
  readonly set: Sql
  readonly where: Sql
  readonly payload: {
    readonly output?: TaskOutput
    readonly error?: string | undefined
    readonly provider?: ProviderRecord | undefined
  }
}

/** The one way into a terminal status: the task, its step and its payload in one statement. */
async function finish(tx: Transaction, change: Finish): Promise<FinishedTask | undefined> {
  const { output, error, provider } = change.payload
  const { rows } = await tx.query<FinishedTask>(sql`
    WITH moved AS (
      UPDATE tasks SET ${change.set}, lease_until = NULL, finished_at = now()
      WHERE ${change.where}
      RETURNING *
    ), step AS (${moveStep}), payload AS (
      UPDATE task_payloads SET output = ${json(output)}, error = ${error ?? null},
        provider_request = coalesce(${json(provider?.request)}, provider_request),
        provider_response = coalesce(${json(provider?.response)}, provider_response),
        provider_meta = coalesce(${json(provider?.meta)}, provider_meta)
      FROM moved WHERE task_id = moved.id
    )
    SELECT id AS "taskId", user_id AS "userId", tool_slug AS "toolSlug",
      current_step_id AS "stepId", attempt, reservation_id AS "reservationId",
      credits_cost AS "creditsCost", created_at AS "createdAt", started_at AS "startedAt",
      finished_at AS "finishedAt"
    FROM moved
  `)
  return rows[0]
}

function json(value: object | undefined): Sql {
  return sql`${value === undefined ? null : JSON.stringify(value)}::jsonb`
}
