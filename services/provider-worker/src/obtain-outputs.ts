import type { ObjectStore } from '@funmagic/asset/object-store'
import type { Database } from '@funmagic/database/client'
import { failpoint } from '@funmagic/runtime/failpoints'
import {
  findOpenCall,
  recordSubmitted,
  recordSubmitting,
  recordUnsubmitted,
  type OpenCall,
} from '@funmagic/task/calls'
import type { Account } from './accounts.ts'
import type { Attempt } from './attempt.ts'
import type { Candidate } from './candidates.ts'
import { Deadline } from './deadline.ts'
import type { Events } from './events.ts'
import { Interruption } from './interruption.ts'
import { persist } from './persist.ts'
import type { Gate } from './provider-gate.ts'
import type { ProgressReport } from './progress-report.ts'
import type { ProviderOutput, SubmittedCall } from './providers/provider.ts'
import { readMask, readPicture } from './task-input.ts'
import { TaskFault } from './verdict.ts'

export interface ObtainDeps {
  readonly database: Database
  readonly store: ObjectStore
  readonly events: Events
  readonly gate: Gate
  readonly limits: { readonly stepTimeoutMs: number; readonly inputBytesMax: number }
}

/** What an attempt works with at its provider. */
export interface Work {
  readonly attempt: Attempt
  readonly candidate: Candidate
  readonly report: ProgressReport
  /** Another is asked when this one is down. */
  readonly hasOthers: boolean
}

export interface Outputs {
  readonly account: Account
  readonly outputs: readonly ProviderOutput[]
}

/**
 * Gets the outputs from the provider within the time of the step. A call that an earlier attempt
 * submitted is waited for, never repeated (T6, T8; W5). Waiting ends as soon as this worker
 * begins to stop, since any other can go on with it; a submission is given the grace.
 */
export async function obtainOutputs(deps: ObtainDeps, work: Work): Promise<Outputs> {
  const { attempt, candidate, report, hasOthers } = work
  const { account, isRetry } = candidate
  using stepTime = new Deadline(timeoutMsOf(attempt, deps), () => {
    return new TaskFault('PROVIDER_TIMEOUT', 'the time of the step is over')
  })
  const signal = AbortSignal.any([attempt.signal, stepTime.signal])
  const waiting = AbortSignal.any([signal, attempt.shutdown.started])

  const earlier = attempt.submitted
  const converse = async () => {
    failpoint('worker.admitted')
    let call = earlier
    if (call === undefined) {
      const submission = await submit(deps, work, { signal, waiting })
      if (submission.kind === 'finished') return submission.outputs
      call = submission.call
    }
    failpoint('worker.submitted')
    return account.provider.resume(call, waiting, update => report.update(update))
  }
  // Awaited here, because the clock of the step stops when this function returns.
  const entry = { attempt, account, isResumed: earlier !== undefined, isRetry, hasOthers }
  return { account, outputs: await deps.gate.run(entry, converse) }
}

function timeoutMsOf({ task }: Attempt, { limits }: ObtainDeps): number {
  const { timeoutSeconds } = task.step
  return timeoutSeconds === undefined ? limits.stepTimeoutMs : timeoutSeconds * 1000
}

/** The call that the provider has already, if an earlier attempt left one with its id. */
export async function takeUpCall(
  deps: Pick<ObtainDeps, 'database' | 'events'>,
  attempt: Attempt,
): Promise<OpenCall | undefined> {
  const { task } = attempt
  // Nobody had it before: there is nothing to look for.
  if (task.attempt === 1) return undefined
  const open = await findOpenCall(deps.database, { taskId: task.id, stepId: task.step.id })
  if (open === undefined) return undefined
  const { id: callId, providerRequestId, model } = open
  if (providerRequestId === null) {
    // Its worker ended between sending and learning the id. No vendor finds a call by our
    // reference, so it is sent again, once per such end (W4).
    const isClosed = await recordUnsubmitted(deps.database, { callId, errorKind: 'unknown' })
    // Its id has come by webhook in this moment: it is no longer lost.
    return isClosed ? undefined : takeUpCall(deps, attempt)
  }
  attempt.callId = callId
  attempt.submitted = { providerRequestId, model }
  deps.events.callResumed(task, callId)
  return open
}

type Submitted =
  | { readonly kind: 'finished'; readonly outputs: readonly ProviderOutput[] }
  | { readonly kind: 'accepted'; readonly call: SubmittedCall }

async function submit(
  { database, store, events, limits }: ObtainDeps,
  { attempt, candidate: { account, model }, report }: Work,
  signals: { readonly signal: AbortSignal; readonly waiting: AbortSignal },
): Promise<Submitted> {
  const { task, claim } = attempt
  const { id: stepId, type: stepType } = task.step
  const parts = { database, store }
  const picture = await readPicture(parts, task, limits.inputBytesMax)
  const mask = await readMask(parts, task, limits.inputBytesMax)
  signals.waiting.throwIfAborted()

  const { type: provider, id: providerId, callCostMicroUsd: costMicroUsd } = account
  const newCall = { stepId, provider, providerId, model, costMicroUsd }
  const callId = await recordSubmitting(database, { ...claim, ...newCall })
  if (callId === undefined) throw new Interruption('superseded')
  attempt.callId = callId
  failpoint('worker.submitting')
  report.update({ fraction: 0, message: 'Sending to the provider' })
  const { prompt, negativePrompt, size, seed } = task.input
  const options = { prompt, negativePrompt, size, seed }
  const request = { reference: callId, stepType, model, picture, mask, ...options }
  const submission = await account.provider.submit(request, signals.signal, update =>
    report.update(update),
  )
  failpoint('worker.accepted')
  events.callPaid(provider, costMicroUsd)
  if (submission.kind === 'finished') return submission

  const { providerRequestId } = submission
  const call = { providerRequestId, model }
  attempt.submitted = call
  await persist(() => recordSubmitted(database, { callId, providerRequestId }), attempt.signal)
  return { kind: 'accepted', call }
}
