import type { TaskId } from '@funmagic/contract/ids'
import type { ProviderType } from '@funmagic/contract/tool'
import type { Queryable } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'

/** A call whose task has ended without a result, and that the provider is to be told to stop. */
export interface DueCancellation {
  readonly callId: string
  readonly taskId: TaskId
  readonly requestId: string
  readonly providerId: string
  readonly provider: ProviderType
  readonly model: string
  /** Null while nobody knows whether the provider has the call. */
  readonly providerRequestId: string | null
  readonly handle: unknown
  /** How often it has been tried, this time included. */
  readonly attempts: number
}

const pauseMaxSeconds = 60

/**
 * Takes calls that are to be stopped at their provider (T9); each becomes due again, later with
 * every try, until recordOutcome closes it. Two workers never take the same.
 */
export async function takeDueCancellations(
  database: Queryable,
  options: { limit: number },
): Promise<DueCancellation[]> {
  const { rows } = await database.query<DueCancellation>(sql`
    WITH due AS (
      SELECT id FROM provider_calls
      WHERE cancel_due_at <= now() AND state IN ('submitting', 'submitted')
      ORDER BY cancel_due_at LIMIT ${options.limit} FOR UPDATE SKIP LOCKED
    ), taken AS (
      UPDATE provider_calls SET cancel_attempts = cancel_attempts + 1,
        cancel_due_at = now()
          + least(2 ^ (cancel_attempts + 1), ${pauseMaxSeconds}) * interval '1 second'
      FROM due WHERE provider_calls.id = due.id
      RETURNING provider_calls.*
    )
    SELECT taken.id AS "callId", taken.task_id AS "taskId", tasks.request_id AS "requestId",
      coalesce(taken.provider_id::text, tasks.step ->> 'providerId') AS "providerId",
      taken.provider, taken.model,
      taken.provider_request_id AS "providerRequestId", taken.handle,
      taken.cancel_attempts AS attempts
    FROM taken JOIN tasks ON tasks.id = taken.task_id
  `)
  return rows
}
