import type { ReservationId, TaskId, UserId } from '@funmagic/contract/ids'
import type { TaskInput } from '@funmagic/contract/task'
import type { ToolStep } from '@funmagic/contract/tool'
import type { Queryable } from '@funmagic/database/client'
import type { Transaction } from '@funmagic/database/transaction'
import type { Task } from './tasks.ts'

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

export type Submission =
  | { readonly kind: 'recorded'; readonly task: Task }
  | { readonly kind: 'replayed'; readonly task: Task }

/**
 * Records the task, its input and its wake-up, or returns the task recorded earlier under the
 * same user and key (M10). `reserve` is called only for a new task, in the same transaction.
 * Throws IDEMPOTENCY_MISMATCH when the key was used for another request.
 */
export declare function recordTask(
  tx: Transaction,
  task: NewTask,
  reserve: (hold: Hold) => Promise<ReservationId>,
): Promise<Submission>

/**
 * The task recorded earlier under the key, so that a repeat is answered before anything is
 * priced or checked again. Throws IDEMPOTENCY_MISMATCH when the key was used for another request.
 */
export declare function findReplay(
  database: Queryable,
  submission: { userId: UserId; key: string; requestHash: string },
): Promise<Task | undefined>

/** SHA-256 of the request, the same for every order of its properties. */
export declare function requestHashOf(request: unknown): string
