import type { TaskId, UserId } from '@funmagic/contract/ids'
import type { TaskInput } from '@funmagic/contract/task'
import type { Queryable } from '@funmagic/database/client'
import { prepared, sql, type Sql } from '@funmagic/database/sql'
import { inOneTrip, type Transaction } from '@funmagic/database/transaction'
import { cancelChildren, releaseChildren } from './chain.ts'
import { finishTasks, type Finish, type FinishedTask, type ProviderRecord } from './finish.ts'
import { moveStep, taskColumns, toTask, wakeMoved, type TaskRow } from './task-rows.ts'
import { failureMessages, type FailureCode } from './task-state.ts'
import type { Task, TaskOutput } from './tasks.ts'

export type { FinishedTask, ProviderRecord } from './finish.ts'

/** One claim of a task. Every write names it, and writes nothing once the task has moved on. */
export interface Claim {
  readonly taskId: TaskId
  readonly attempt: number
}

export interface ClaimedTask extends Task {
  readonly input: TaskInput
  /** How often a worker vanished with this task; see rescueExpired. */
  readonly rescues: number
  /** Until its deadline, at the moment of the claim, by the clock of the database. */
  readonly remainingMs: number
}

/** A task that ended without a result, and what ended with it because it waited for it. */
export interface EndedTask extends FinishedTask {
  /** Canceled in the same transaction; the caller releases their reservations there as well. */
  readonly dependents: readonly FinishedTask[]
}

/**
 * pending → processing with the next attempt, for as long as the lease. Undefined when there is
 * nothing to claim: taken, finished, waiting for its parent (T8), past its deadline, or never
 * there (T10).
 */
export async function claimTask(
  database: Queryable,
  claim: { taskId: TaskId; leaseMs: number },
): Promise<ClaimedTask | undefined> {
  type Row = TaskRow & Pick<ClaimedTask, 'rescues' | 'input' | 'remainingMs'>
  const { rows } = await database.query<Row>(
    prepared(sql`
    WITH moved AS (
      UPDATE tasks SET status = 'processing', attempt = attempt + 1,
        lease_until = now() + ${claim.leaseMs} * interval '1 millisecond',
        started_at = coalesce(started_at, now()), virtual_start = NULL
      WHERE id = ${claim.taskId} AND status = 'pending' AND deadline_at > now()
        AND NOT waits_for_parent
      RETURNING *
    ), step AS (${moveStep})
    SELECT ${taskColumns}, t.rescues, p.input,
      (extract(epoch FROM t.deadline_at - now()) * 1000)::float8 AS "remainingMs"
    FROM moved t JOIN task_payloads p ON p.task_id = t.id
  `),
  )
  if (!rows[0]) return undefined
  const { rescues, input, remainingMs, ...row } = rows[0]
  return { ...toTask(row, null), rescues, input, remainingMs }
}

/** False when the claim is over (fencing, T2): the worker must drop what it does. */
export async function renewLease(
  database: Queryable,
  claim: Claim & { leaseMs: number },
): Promise<boolean> {
  const { rowCount } = await database.query(
    prepared(sql`
    UPDATE tasks SET lease_until = now() + ${claim.leaseMs} * interval '1 millisecond'
    WHERE ${isClaimedBy(claim)}
  `),
  )
  return rowCount === 1
}

/** Raises the percentage, never lowers it (P3). False when the claim is over. */
export async function reportProgress(
  database: Queryable,
  claim: Claim & { progress: number },
): Promise<boolean> {
  const { rowCount } = await database.query(
    prepared(sql`
    UPDATE tasks SET progress = greatest(progress, ${claim.progress}::smallint)
    WHERE ${isClaimedBy(claim)}
  `),
  )
  return rowCount === 1
}

/**
 * processing → completed; children that waited for it may run from the same commit on (T8).
 * Undefined when the claim is over: then nothing may be settled.
 */
export async function completeTask(
  tx: Transaction,
  completion: Claim & { output: TaskOutput; provider?: ProviderRecord | undefined },
): Promise<FinishedTask | undefined> {
  const finish = {
    set: sql`status = 'completed', progress = 100`,
    where: isClaimedBy(completion),
    payload: { output: completion.output, provider: completion.provider },
  }
  const [[task]] = await inOneTrip(finishTasks(tx, finish), releaseChildren(tx, completion.taskId))
  return task
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
 * and takes a pending or processing task. Children that waited for it are canceled with it (T8).
 * Undefined when there was nothing to fail.
 */
export async function failTask(tx: Transaction, failure: Failure): Promise<EndedTask | undefined> {
  const { taskId, attempt, code } = failure
  const isOpen = sql`id = ${taskId} AND status IN ('pending', 'processing')`
  return endChain(tx, {
    set: sql`status = 'failed', error_code = ${code}, error_message = ${failureMessages[code]}`,
    where: attempt === undefined ? isOpen : isClaimedBy({ taskId, attempt }),
    payload: { error: failure.detail, provider: failure.provider },
  })
}

/**
 * → canceled, from pending and, when `whileProcessing`, from processing as well, with the children
 * that waited for it. Undefined when the user has no such task or it is past that point; findTask
 * tells which (T15).
 */
export async function cancelTask(
  tx: Transaction,
  cancellation: { taskId: TaskId; userId: UserId; whileProcessing: boolean },
): Promise<EndedTask | undefined> {
  const from = cancellation.whileProcessing ? ['pending', 'processing'] : ['pending']
  return endChain(tx, {
    set: sql`status = 'canceled'`,
    where: sql`id = ${cancellation.taskId} AND user_id = ${cancellation.userId}
      AND status = ANY (${from}::task_status[])`,
    payload: {},
  })
}

async function endChain(tx: Transaction, change: Finish): Promise<EndedTask | undefined> {
  const [task] = await finishTasks(tx, change)
  return task && { ...task, dependents: await cancelChildren(tx, task.taskId) }
}

export interface HandBack extends Claim {
  readonly delayMs: number
  /**
   * What the provider is to blame for: a `retry` after a failure that may pass, or a `rateLimit`,
   * counted apart (TR4). A worker that stops, or that may not ask the provider yet, counts nothing.
   */
  readonly counts: 'retry' | 'rateLimit' | 'nothing'
}

/**
 * processing → pending, with a wake-up after the delay, so that another claim can go on with it.
 * Undefined when the claim is over.
 */
export async function handBack(
  database: Queryable,
  { delayMs, counts, ...claim }: HandBack,
): Promise<{ retries: number; rateLimitAttempts: number } | undefined> {
  const { rows } = await database.query<{ retries: number; rateLimitAttempts: number }>(
    prepared(sql`
    WITH moved AS (
      UPDATE tasks SET status = 'pending', lease_until = NULL, virtual_start = NULL,
        ready_at = now() + ${delayMs} * interval '1 millisecond',
        retries = retries + ${counts === 'retry' ? 1 : 0},
        rate_limit_attempts = rate_limit_attempts + ${counts === 'rateLimit' ? 1 : 0}
      WHERE ${isClaimedBy(claim)}
      RETURNING *
    ), step AS (${moveStep}), wake_up AS (${wakeMoved(delayMs)})
    SELECT retries, rate_limit_attempts AS "rateLimitAttempts" FROM moved
  `),
  )
  return rows[0]
}

function isClaimedBy({ taskId, attempt }: Claim): Sql {
  return sql`id = ${taskId} AND attempt = ${attempt} AND status = 'processing'`
}
