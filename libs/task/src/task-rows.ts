import type { ReservationId, TaskId, UserId } from '@funmagic/contract/ids'
import type { TaskFailure, TaskStatus } from '@funmagic/contract/task'
import type { ToolStep } from '@funmagic/contract/tool'
import { sql, type Sql } from '@funmagic/database/sql'

/** What a completed task made: ids only, addresses are made when somebody reads them. */
export interface TaskOutput {
  readonly assetIds: readonly string[]
}

export interface Task {
  readonly id: TaskId
  readonly userId: UserId
  readonly toolId: string
  readonly toolSlug: string
  readonly toolVersion: number
  /** The step as the tool had it when the task was submitted (T7). */
  readonly step: ToolStep
  readonly status: TaskStatus
  readonly creditsCost: number
  readonly progress: number
  readonly attempt: number
  readonly retries: number
  /** How often the provider answered with 429; counted apart from the retries (TR4). */
  readonly rateLimitAttempts: number
  readonly error: TaskFailure | null
  readonly output: TaskOutput | null
  readonly parentTaskId: TaskId | null
  /** Submitted while its parent is unfinished, and not to start before it completes (T8). */
  readonly waitsForParent: boolean
  /** Works on the first picture that its parent made. */
  readonly inheritsPicture: boolean
  /** The failed task that an operator had repeated by this one. */
  readonly retriedTaskId: TaskId | null
  readonly reservationId: ReservationId
  readonly requestId: string
  readonly deadlineAt: Date
  readonly createdAt: Date
  readonly startedAt: Date | null
  readonly finishedAt: Date | null
}

/** A task as both SQL and Prisma return it. */
export interface TaskRow extends Omit<Task, 'step' | 'output' | 'error'> {
  readonly step: unknown
  readonly errorCode: string | null
  readonly errorMessage: string | null
}

/** The columns of a TaskRow, for a task `t`. */
export const taskColumns: Sql = sql`
  t.id, t.user_id AS "userId", t.tool_id AS "toolId", t.tool_slug AS "toolSlug",
  t.tool_version AS "toolVersion", t.step, t.status, t.credits_cost AS "creditsCost",
  t.progress, t.attempt, t.retries, t.rate_limit_attempts AS "rateLimitAttempts",
  t.error_code AS "errorCode", t.error_message AS "errorMessage",
  t.parent_task_id AS "parentTaskId", t.waits_for_parent AS "waitsForParent",
  t.inherits_picture AS "inheritsPicture", t.retried_task_id AS "retriedTaskId",
  t.reservation_id AS "reservationId", t.request_id AS "requestId",
  t.deadline_at AS "deadlineAt", t.created_at AS "createdAt", t.started_at AS "startedAt",
  t.finished_at AS "finishedAt"`

export function toTask({ errorCode, errorMessage, ...row }: TaskRow, output: unknown): Task {
  return {
    ...row,
    // Both were written by this library, from values of these types.
    step: row.step as ToolStep,
    output: (output ?? null) as TaskOutput | null,
    error: errorCode === null ? null : { code: errorCode, message: errorMessage ?? '' },
  }
}

/** Brings the step row of a task that `moved` in the same statement to the task's status. */
export const moveStep: Sql = sql`
  UPDATE task_steps SET status = moved.status, started_at = moved.started_at,
    completed_at = moved.finished_at
  FROM moved WHERE task_id = moved.id AND step_id = moved.current_step_id`

/**
 * Writes the wake-ups of the tasks that `moved` in the same statement, due after the delay; a
 * child that waits for its parent gets none. Cut to the milliseconds that the column keeps: rounded
 * up, the dispatcher that is nudged at once would not see it.
 */
export function wakeMoved(delayMs: number): Sql {
  return sql`
    INSERT INTO outbox (topic, key, payload, available_at)
    SELECT 'task', id, jsonb_build_object('taskId', id, 'requestId', request_id,
      'attempt', attempt), date_trunc('milliseconds', now()) + ${delayMs} * interval '1 millisecond'
    FROM moved WHERE NOT waits_for_parent`
}
