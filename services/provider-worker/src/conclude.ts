import { discardOutputs } from '@funmagic/asset/ingest'
import type { ObjectStore } from '@funmagic/asset/object-store'
import type { Database } from '@funmagic/database/client'
import { recordOutcome, recordUnsubmitted } from '@funmagic/task/calls'
import { handBack } from '@funmagic/task/lifecycle'
import { isFinished, type FailureCode } from '@funmagic/task/task-state'
import { findTasks } from '@funmagic/task/tasks'
import type { Announcer } from './announce.ts'
import type { Attempt } from './attempt.ts'
import { findDetour } from './detour.ts'
import type { Events, SideWork } from './events.ts'
import { describeAttempt } from './provider-record.ts'
import type { Gate } from './provider-gate.ts'
import { ProviderFailure } from './providers/provider.ts'
import { settleFailed } from './settle-task.ts'
import { describeError, judge, retryPolicyOf, type RetryPolicy } from './verdict.ts'

export interface ConcludeDeps {
  readonly database: Database
  readonly store: ObjectStore
  readonly announcer: Announcer
  readonly events: Events
  readonly gate: Pick<Gate, 'leave'>
  readonly limits: { readonly retry: RetryPolicy; readonly cancelTimeoutMs: number }
}

/** Ends an attempt that did not complete its task: dropped, handed back, or the task given up. */
export async function conclude(
  deps: ConcludeDeps,
  attempt: Attempt,
  error: unknown,
): Promise<void> {
  const { task, claim } = attempt
  const detour = findDetour(attempt, error)
  if (detour !== undefined) return goElsewhere(deps, attempt, { error, message: detour })
  const isFree = attempt.callId === undefined || attempt.submitted !== undefined
  const tried = { ...task, remainingMs: attempt.remainingMs(), isFree }
  const policy = retryPolicyOf(deps.limits.retry, attempt.account?.limits)
  const verdict = judge(error, tried, policy, Math.random())
  switch (verdict.kind) {
    case 'discard':
      return discard(deps, attempt)
    case 'handBack': {
      const isOurs = await handBack(deps.database, { ...claim, delayMs: 0, counts: 'nothing' })
      if (isOurs === undefined) return discard(deps, attempt)
      return deps.events.taskHandedBack(task)
    }
    case 'again': {
      const { delayMs, counts } = verdict
      if (attempt.submitted === undefined) await closeCall(deps, attempt, error)
      const isOurs = await handBack(deps.database, { ...claim, delayMs, counts })
      if (isOurs === undefined) return discard(deps, attempt)
      return deps.events.taskRetried(task, { delayMs, counts, error })
    }
    case 'fail':
      return fail(deps, attempt, { code: verdict.code, error })
  }
}

/** Back to the queue, where the next attempt asks another model at once; it is no further try. */
async function goElsewhere(
  deps: ConcludeDeps,
  attempt: Attempt,
  { error, message }: { readonly error: unknown; readonly message: string },
): Promise<void> {
  const { task, claim } = attempt
  await closeCall(deps, attempt, error)
  const handed = await handBack(deps.database, { ...claim, delayMs: 0, counts: 'nothing' })
  if (handed === undefined) return discard(deps, attempt)
  deps.events.taskDetoured(task, error)
  await deps.announcer.progress(task, { percent: task.progress, message })
}

/** One that a webhook gave an id meanwhile stays open: the provider has it. */
async function closeCall(
  { database }: ConcludeDeps,
  { callId, submitted }: Attempt,
  error: unknown,
): Promise<void> {
  if (callId === undefined) return
  const errorKind = kindOf(error)
  if (submitted === undefined) {
    await recordUnsubmitted(database, { callId, errorKind, isFree: wasDeclined(error) })
  } else await recordOutcome(database, { callId, state: 'failed', errorKind })
}

/** The provider answered that it did not begin; without an answer it may have. */
function wasDeclined(error: unknown): boolean {
  return error instanceof ProviderFailure && error.status !== undefined
}

async function fail(
  deps: ConcludeDeps,
  attempt: Attempt,
  end: { readonly code: FailureCode; readonly error: unknown },
): Promise<void> {
  const { task, claim, callId, submitted } = attempt
  const { code, error } = end
  // A call that goes on at the provider stays open until it is stopped there.
  const isOver = submitted === undefined || (error instanceof ProviderFailure && error.isFinal)
  const settled = await settleFailed(deps.database, {
    claim,
    code,
    detail: describeError(error),
    call: callId !== undefined && isOver ? { callId, ...endOf(attempt, error) } : undefined,
    provider: describeAttempt(attempt, error),
  })
  if (settled === undefined) return discard(deps, attempt)
  deps.events.taskFailed(task, settled.task, end)
  await deps.announcer.failed(task, settled, code)
  await deps.announcer.dependentsCanceled(task, settled)
  if (!isOver) await stopCall(deps, attempt)
  await deps.gate.leave(attempt)
  await clearOutputs(deps, attempt)
}

/**
 * The claim is over. Another attempt may be working with the same call and the same objects, so
 * both are left alone, unless the task itself has ended without a result.
 */
async function discard(deps: ConcludeDeps, attempt: Attempt): Promise<void> {
  deps.events.taskDiscarded(attempt.task)
  await beside(deps, attempt, 'cleanup', async () => {
    const [task] = await findTasks(deps.database, [attempt.task.id])
    const isForNothing = task !== undefined && isFinished(task.status) && task.output === null
    if (!isForNothing) return
    await stopCall(deps, attempt)
    await deps.gate.leave(attempt)
    await clearOutputs(deps, attempt)
  })
}

/** If it does not succeed here, forwardCancels tries it until it does. */
async function stopCall(deps: ConcludeDeps, attempt: Attempt): Promise<void> {
  const { account, submitted, callId } = attempt
  if (account === undefined || submitted === undefined || callId === undefined) return
  const signal = AbortSignal.timeout(deps.limits.cancelTimeoutMs)
  await beside(deps, attempt, 'cancel', async () => {
    await account.provider.cancel(submitted, signal)
    await recordOutcome(deps.database, { callId, state: 'failed', errorKind: 'canceled' })
  })
}

async function clearOutputs(deps: ConcludeDeps, attempt: Attempt): Promise<void> {
  if (attempt.stored.length === 0) return
  await beside(deps, attempt, 'cleanup', () => discardOutputs(deps.store, attempt.stored))
}

/** Work that the task no longer depends on: its failure is told and nothing more. */
async function beside(
  { events }: ConcludeDeps,
  { task }: Attempt,
  what: SideWork,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work()
  } catch (error) {
    events.sideWorkFailed(task, what, error)
  }
}

function endOf({ submitted }: Attempt, error: unknown) {
  const hasId = submitted !== undefined
  return { errorKind: kindOf(error), hasId, isFree: !hasId && wasDeclined(error) }
}

function kindOf(error: unknown): string {
  return error instanceof ProviderFailure ? error.kind : 'abandoned'
}
