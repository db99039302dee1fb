import type { StoredOutput } from '@funmagic/asset/ingest'
import type { Holder } from '@funmagic/provider/limiter'
import type { Claim, ClaimedTask } from '@funmagic/task/lifecycle'
import type { Account } from './accounts.ts'
import type { Lease } from './lease.ts'
import type { SubmittedCall } from './providers/provider.ts'

/** The two stages of this worker's end. Both abort with an Interruption. */
export interface Shutdown {
  /** From here on nothing is begun, and what another worker can take up is handed back. */
  readonly started: AbortSignal
  /** The grace is over: what is still running is cut off and handed back. */
  readonly expired: AbortSignal
}

/** What else could do the step, beside what the attempt has chosen. */
export interface Detours {
  /** Another model is left that has not been asked for this task. */
  readonly isLeft: boolean
  /** An earlier model has refused the content already. */
  readonly wasModerated: boolean
}

/** One claim of a task, and what has come of it: its end has to close, stop and clear that. */
export interface Attempt {
  readonly task: ClaimedTask
  readonly claim: Claim
  readonly lease: Lease
  readonly shutdown: Shutdown
  /** Aborts when the claim or the grace of the shutdown is over. */
  readonly signal: AbortSignal
  account?: Account
  /** The model at that account that the call is for. */
  model?: string
  /** What a failure may lead on to. */
  detours?: Detours
  /** Our record of the call that is under way. */
  callId?: string
  /** The call as the provider knows it, from the moment that it has an id there. */
  submitted?: SubmittedCall
  /** The slot at the provider that is held for this attempt, or kept for the next. */
  slot?: Holder
  stored: StoredOutput[]
  /** Until the deadline of the task; negative after it. */
  remainingMs(): number
}

export function beginAttempt(task: ClaimedTask, lease: Lease, shutdown: Shutdown): Attempt {
  const claimedAtMs = performance.now()
  return {
    task,
    claim: { taskId: task.id, attempt: task.attempt },
    lease,
    shutdown,
    signal: AbortSignal.any([lease.lost, shutdown.expired]),
    stored: [],
    remainingMs: () => task.remainingMs - (performance.now() - claimedAtMs),
  }
}
