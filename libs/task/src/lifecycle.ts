import type { ReservationId, TaskId, UserId } from '@funmagic/contract/ids'
import type { TaskInput } from '@funmagic/contract/task'
import type { Queryable } from '@funmagic/database/client'
import type { Transaction } from '@funmagic/database/transaction'
import type { FailureCode } from './task-state.ts'
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

/** pending → processing with the next attempt, or undefined when there is nothing to claim. */
export declare function claimTask(
  database: Queryable,
  claim: { taskId: TaskId; leaseMs: number },
): Promise<ClaimedTask | undefined>

/** False when the claim is over (fencing, T2): the worker must drop what it does. */
export declare function renewLease(
  database: Queryable,
  claim: Claim & { leaseMs: number },
): Promise<boolean>

/** Raises the percentage, never lowers it (P3). False when the claim is over. */
export declare function reportProgress(
  database: Queryable,
  claim: Claim & { progress: number },
): Promise<boolean>

/** processing → completed. Undefined when the claim is over: then nothing may be settled. */
export declare function completeTask(
  tx: Transaction,
  completion: Claim & { output: TaskOutput; provider?: ProviderRecord | undefined },
): Promise<FinishedTask | undefined>

/**
 * → failed. With an attempt it is a worker's verdict and fenced; without one it is the sweeper's
 * and takes a pending or processing task. Undefined when there was nothing to fail.
 */
export declare function failTask(
  tx: Transaction,
  failure: {
    taskId: TaskId
    attempt?: number | undefined
    code: FailureCode
    provider?: ProviderRecord | undefined
  },
): Promise<FinishedTask | undefined>

/**
 * → canceled, from pending and, when `whileProcessing`, from processing as well. Undefined when
 * the user has no such task or it is past that point; findTask tells which.
 */
export declare function cancelTask(
  tx: Transaction,
  cancellation: { taskId: TaskId; userId: UserId; whileProcessing: boolean },
): Promise<FinishedTask | undefined>

/**
 * processing → pending, with a wake-up after the delay, so that another claim can go on with it.
 * `countRetry` counts it as a failure of the provider (TR4). Undefined when the claim is over.
 */
export declare function handBack(
  database: Queryable,
  handBack: Claim & { delayMs: number; countRetry: boolean },
): Promise<{ retries: number } | undefined>
