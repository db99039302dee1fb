import type { TaskId } from '@funmagic/contract/ids'
import type { ProviderType } from '@funmagic/contract/tool'
import type { Queryable } from '@funmagic/database/client'
import type { Claim } from './lifecycle.ts'

export interface OpenCall {
  readonly id: string
  readonly attempt: number
  readonly provider: ProviderType
  readonly model: string
  /** `submitting`: whether the provider has the call is unknown (W4). */
  readonly state: 'submitting' | 'submitted'
  readonly providerRequestId: string | null
  readonly handle: unknown
  readonly createdAt: Date
}

/**
 * Written before the request leaves (T6, T8). Returns the id of the call, which goes to the
 * provider as our reference; undefined when the claim is over, and then nothing may be sent.
 */
export declare function recordSubmitting(
  database: Queryable,
  call: Claim & { stepId: string; provider: ProviderType; model: string },
): Promise<string | undefined>

/** The provider has the call: its id, and what finds the call again, without secrets. */
export declare function recordSubmitted(
  database: Queryable,
  call: { callId: string; providerRequestId: string; handle?: object | undefined },
): Promise<void>

/**
 * Closes the call. `succeeded` belongs into the transaction that completes the task: a call
 * whose result is not yet ours stays open, so that a new attempt fetches it again.
 */
export declare function recordOutcome(
  database: Queryable,
  outcome: { callId: string; state: 'succeeded' | 'failed'; errorKind?: string | undefined },
): Promise<void>

/** The newest open call of the step: with it a new attempt re-attaches instead of paying again. */
export declare function findOpenCall(
  database: Queryable,
  step: { taskId: TaskId; stepId: string },
): Promise<OpenCall | undefined>
