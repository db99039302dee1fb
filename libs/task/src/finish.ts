import type { ReservationId, TaskId, UserId } from '@funmagic/contract/ids'
import { prepared, sql, type Sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'
import { moveStep } from './task-rows.ts'
import type { TaskOutput } from './tasks.ts'

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

export interface Finish {
  readonly set: Sql
  readonly where: Sql
  readonly payload: {
    readonly output?: TaskOutput
    readonly error?: string | undefined
    readonly provider?: ProviderRecord | undefined
  }
}

/**
 * The one way into a terminal status: the tasks, their steps and payloads in one statement. Calls
 * that are still open at a provider are marked to be stopped there (T9); whoever knows better
 * closes them in the same transaction.
 */
export async function finishTasks(tx: Transaction, change: Finish): Promise<FinishedTask[]> {
  const { output, error, provider } = change.payload
  const { rows } = await tx.query<FinishedTask>(
    prepared(sql`
    WITH moved AS (
      UPDATE tasks SET ${change.set}, lease_until = NULL, finished_at = now()
      WHERE ${change.where}
      RETURNING *
    ), step AS (${moveStep}), calls AS (
      UPDATE provider_calls SET cancel_due_at = now() FROM moved
      WHERE task_id = moved.id AND moved.status <> 'completed'
        AND state IN ('submitting', 'submitted')
    ), payload AS (
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
  `),
  )
  return rows
}

function json(value: object | undefined): Sql {
  return sql`${value === undefined ? null : JSON.stringify(value)}::jsonb`
}
