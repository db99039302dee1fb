import type { ObjectStore } from '@funmagic/asset/object-store'
import type { Database } from '@funmagic/database/client'
import { failpoint } from '@funmagic/runtime/failpoints'
import {
  findOpenCall,
  recordOutcome,
  recordSubmitted,
  recordSubmitting,
} from '@funmagic/task/calls'
import type { Account } from './accounts.ts'
import type { Attempt } from './attempt.ts'
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
  readonly account: Account
  readonly report: ProgressReport
}

/**
 * Gets the outputs from the provider within the time of the step. A call that an earlier attempt
 * submitted is waited for, never repeated (T6, T8; W5). Waiting ends as soon as this worker
 * begins to stop, since any other can go on with it; a submission is given the grace.
 */
export async function obtainOutputs(
  deps: ObtainDeps,
  work: Work,
): Promise<readonly ProviderOutput[]> {
  const { attempt, account, report } = work
  using stepTime = new Deadline(timeoutMsOf(attempt, deps), () => {
    return new TaskFault('PROVIDER_TIMEOUT', 'the time of the step is over')
  })
  const signal = AbortSignal.any([attempt.signal, stepTime.signal])
  const waiting = AbortSignal.any([signal, attempt.shutdown.started])

  const earlier = await takeUpCall(deps, attempt)
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
  return await deps.gate.run({ attempt, account, isResumed: earlier !== undefined }, converse)
}

function timeoutMsOf({ task }: Attempt, { limits }: ObtainDeps): number {
  const { timeoutSeconds } = task.step
  return timeoutSeconds === undefined ? limits.stepTimeoutMs : timeoutSeconds * 1000
}

/** The call that the provider has already, if an earlier attempt left one with its id. */
async function takeUpCall(deps: ObtainDeps, attempt: Attempt): Promise<SubmittedCall | undefined> {
  const { task } = attempt
  const open = await findOpenCall(deps.database, { taskId: task.id, stepId: task.step.id })
  if (open === undefined) return undefined
  const { id: callId, providerRequestId, model } = open
  if (providerRequestId === null) {
    // Its worker ended between sending and learning the id. No vendor finds a call by our
    // reference, so it is sent again, once per such end (W4).
    await recordOutcome(deps.database, { callId, state: 'failed', errorKind: 'unknown' })
    return undefined
  }
  attempt.callId = callId
  attempt.submitted = { providerRequestId, model }
  deps.events.callResumed(task, callId)
  return attempt.submitted
}

type Submitted =
  | { readonly kind: 'finished'; readonly outputs: readonly ProviderOutput[] }
  | { readonly kind: 'accepted'; readonly call: SubmittedCall }

async function submit(
  { database, store, limits }: ObtainDeps,
  { attempt, account, report }: Work,
  signals: { readonly signal: AbortSignal; readonly waiting: AbortSignal },
): Promise<Submitted> {
  const { task, claim } = attempt
  const { id: stepId, type: stepType, providerModel: model } = task.step
  const parts = { database, store }
  const picture = await readPicture(parts, task, limits.inputBytesMax)
  const mask = await readMask(parts, task, limits.inputBytesMax)
  signals.waiting.throwIfAborted()

  const provider = account.type
  const callId = await recordSubmitting(database, { ...claim, stepId, provider, model })
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
  if (submission.kind === 'finished') return submission

  const { providerRequestId } = submission
  const call = { providerRequestId, model }
  attempt.submitted = call
  await persist(() => recordSubmitted(database, { callId, providerRequestId }), attempt.signal)
  return { kind: 'accepted', call }
}
