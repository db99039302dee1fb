import { newId, type TaskId } from '@funmagic/contract/ids'
import type { ProviderType } from '@funmagic/contract/tool'
import type { Queryable } from '@funmagic/database/client'
import { prepared, sql } from '@funmagic/database/sql'
import type { Claim } from './lifecycle.ts'

export interface OpenCall {
  readonly id: string
  readonly attempt: number
  readonly provider: ProviderType
  /** Null for calls that were made before it was kept: those were at the step's own. */
  readonly providerId: string | null
  readonly model: string
  /** `submitting`: whether the provider has the call is unknown (W4). */
  readonly state: 'submitting' | 'submitted'
  readonly providerRequestId: string | null
  readonly handle: unknown
  readonly createdAt: Date
}

export interface NewCall {
  readonly stepId: string
  readonly provider: ProviderType
  readonly providerId: string
  readonly model: string
  /** What the provider takes for it, in millionths of a dollar. */
  readonly costMicroUsd?: number
}

/**
 * Written before the request leaves (T6, T8). Returns the id of the call, which goes to the
 * provider as our reference; undefined when the claim is over, and then nothing may be sent.
 */
export async function recordSubmitting(
  database: Queryable,
  call: Claim & NewCall,
): Promise<string | undefined> {
  const { rows } = await database.query<{ id: string }>(
    prepared(sql`
    INSERT INTO provider_calls (id, task_id, step_id, attempt, provider, provider_id, model,
      cost_micro_usd)
    SELECT ${newId()}, id, ${call.stepId}, attempt, ${call.provider}::provider_type,
      ${call.providerId}::uuid, ${call.model}, ${call.costMicroUsd ?? 0}
    FROM tasks WHERE id = ${call.taskId} AND attempt = ${call.attempt} AND status = 'processing'
    RETURNING id
  `),
  )
  return rows[0]?.id
}

/** The provider has the call: its id, and what finds the call again, without secrets. */
export async function recordSubmitted(
  database: Queryable,
  call: { callId: string; providerRequestId: string; handle?: object | undefined },
): Promise<void> {
  const handle = call.handle === undefined ? null : JSON.stringify(call.handle)
  await database.query(
    prepared(sql`
    UPDATE provider_calls SET state = 'submitted', updated_at = now(),
      provider_request_id = ${call.providerRequestId}, handle = ${handle}::jsonb
    WHERE id = ${call.callId} AND state = 'submitting'
  `),
  )
}

/**
 * Closes the call. `succeeded` belongs into the transaction that completes the task: a call
 * whose result is not yet ours stays open, so that a new attempt fetches it again.
 */
export async function recordOutcome(
  database: Queryable,
  outcome: { callId: string; state: 'succeeded' | 'failed'; errorKind?: string | undefined },
): Promise<void> {
  await database.query(
    prepared(sql`
    UPDATE provider_calls SET state = ${outcome.state}::provider_call_state, updated_at = now(),
      error_kind = ${outcome.errorKind ?? null}
    WHERE id = ${outcome.callId} AND state IN ('submitting', 'submitted')
  `),
  )
}

/**
 * Closes a call that never got an id. False when a webhook brought its id meanwhile, or when it is
 * closed: what the provider has stays open. A provider that is known not to have begun takes
 * nothing for it.
 */
export async function recordUnsubmitted(
  database: Queryable,
  outcome: { callId: string; errorKind: string; isFree?: boolean },
): Promise<boolean> {
  const { rowCount } = await database.query(sql`
    UPDATE provider_calls SET state = 'failed', updated_at = now(),
      error_kind = ${outcome.errorKind},
      cost_micro_usd = CASE WHEN ${outcome.isFree ?? false} THEN 0 ELSE cost_micro_usd END
    WHERE id = ${outcome.callId} AND state = 'submitting'
  `)
  return rowCount === 1
}

/**
 * The call that an event of a provider is about: by our id of it, or by the provider's where the
 * event does not name ours. Undefined as well when ours is of another call of the provider's.
 */
export async function findCall(
  database: Queryable,
  about: { provider: ProviderType; callId: string | undefined; providerRequestId: string },
): Promise<{ readonly id: string; readonly state: string } | undefined> {
  const { provider, callId = null, providerRequestId } = about
  const { rows } = await database.query<{ id: string; state: string }>(sql`
    SELECT id, state FROM provider_calls
    WHERE provider = ${provider}::provider_type AND (
      provider_request_id = ${providerRequestId} AND id = coalesce(${callId}::uuid, id)
      OR provider_request_id IS NULL AND id = ${callId}::uuid
    )
    LIMIT 1
  `)
  return rows[0]
}

/** The newest open call of the step: with it a new attempt re-attaches instead of paying again. */
export async function findOpenCall(
  database: Queryable,
  step: { taskId: TaskId; stepId: string },
): Promise<OpenCall | undefined> {
  const { rows } = await database.query<OpenCall>(
    prepared(sql`
    SELECT id, attempt, provider, provider_id AS "providerId", model, state,
      provider_request_id AS "providerRequestId",
      handle, created_at AS "createdAt"
    FROM provider_calls
    WHERE task_id = ${step.taskId} AND step_id = ${step.stepId}
      AND state IN ('submitting', 'submitted')
    ORDER BY attempt DESC LIMIT 1
  `),
  )
  return rows[0]
}

/** A call of the step that is over, as far as it says where the next one may go. */
export interface PastCall {
  readonly providerId: string | null
  readonly model: string
  readonly errorKind: string | null
}

const pastCallsMax = 100

/** The calls of the step that did not bring its result, oldest first. */
export async function findPastCalls(
  database: Queryable,
  step: { taskId: TaskId; stepId: string },
): Promise<PastCall[]> {
  const { rows } = await database.query<PastCall>(
    prepared(sql`
    SELECT provider_id AS "providerId", model, error_kind AS "errorKind" FROM provider_calls
    WHERE task_id = ${step.taskId} AND step_id = ${step.stepId} AND state = 'failed'
    ORDER BY attempt LIMIT ${pastCallsMax}
  `),
  )
  return rows
}
