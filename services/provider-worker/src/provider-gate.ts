import { setTimeout as wait } from 'node:timers/promises'
import type { Breaker, Outcome } from '@funmagic/provider/breaker'
import type { Holder, Limiter } from '@funmagic/provider/limiter'
import type { Account } from './accounts.ts'
import type { Announcer } from './announce.ts'
import type { Attempt } from './attempt.ts'
import { Denial } from './denial.ts'
import type { DenialReason, GateEvents } from './gate-events.ts'
import { Interruption } from './interruption.ts'
import { ProviderFailure, type FailureKind } from './providers/provider.ts'
import { TaskFault } from './verdict.ts'

export interface GateEntry {
  readonly attempt: Attempt
  readonly account: Account
  /** The provider has the call already, from an earlier attempt. */
  readonly isResumed: boolean
  /** The task has asked this account before. */
  readonly isRetry: boolean
  /** Another account is asked when this one is down. */
  readonly hasOthers: boolean
}

/** Where every conversation with a provider begins and ends. */
export interface Gate {
  /**
   * Holds a slot while the work runs. Throws Denial, and nothing was asked of the provider, while
   * a limit or the provider's state forbids the call (V6, T12).
   */
  run<Result>(entry: GateEntry, work: () => Promise<Result>): Promise<Result>
  /** Frees the slot that was kept for the next attempt, when there will be none. */
  leave(attempt: Attempt): Promise<void>
}

export interface GateDeps {
  readonly limiter: Limiter
  readonly breaker: Breaker
  readonly announcer: Pick<Announcer, 'progress'>
  readonly events: GateEvents
  /** The provider does not accept the account's key (V-8); true when that is news. */
  readonly keyRefused: (account: Account) => Promise<boolean>
  /** A slot is renewed every sixth of its lease. */
  readonly slotLeaseMs: number
}

/** While Redis is away no call begins: nobody knows how many are open (decision 10). */
const retryWithoutRedisMs = 5_000
const cooldownDefaultMs = 1_000

export function createGate(deps: GateDeps): Gate {
  return {
    async run(entry, work) {
      await admit(deps, entry)
      const holder = holderOf(entry)
      entry.attempt.slot = holder
      const renewal = new AbortController()
      void renew(deps, { entry, holder, signal: renewal.signal })
      try {
        const result = await work()
        await close(deps, entry, undefined)
        return result
      } catch (error) {
        await close(deps, entry, error)
        throw error
      } finally {
        renewal.abort()
      }
    },
    leave: attempt => free(deps, attempt, false),
  }
}

function holderOf({ attempt: { claim }, account }: GateEntry): Holder {
  return { providerId: account.id, holder: claim.taskId, attempt: claim.attempt }
}

/** First the breaker, then the limits; what the first let through and the second not is undone. */
async function admit(deps: GateDeps, entry: GateEntry): Promise<void> {
  const { attempt, account, isResumed, isRetry } = entry
  const holder = holderOf(entry)
  try {
    if (!isResumed) {
      const admission = await deps.breaker.admit(holder, { isRetry })
      if ('retryAfterMs' in admission) {
        throw await deny(deps, entry, { reason: admission.kind, ...admission })
      }
    }
    const limits = account.limits
    const decision = await deps.limiter.tryAcquire({ ...holder, limits, isResumed })
    if (decision.kind === 'allowed') return
    if (!isResumed) await deps.breaker.report(holder, 'refund')
    if (decision.kind === 'superseded') throw new Interruption('superseded')
    throw await deny(deps, entry, decision)
  } catch (error) {
    if (error instanceof Denial || error instanceof Interruption) throw error
    deps.events.gateFailed(attempt.task, error)
    const denial = { reason: 'no-redis', retryAfterMs: retryWithoutRedisMs } as const
    throw await deny(deps, entry, denial)
  }
}

async function deny(
  { announcer, events }: GateDeps,
  { attempt: { task }, account, hasOthers }: GateEntry,
  { reason, retryAfterMs }: { reason: DenialReason; retryAfterMs: number },
): Promise<Denial> {
  events.callDenied(task, { provider: account.type, reason, retryAfterMs })
  const isDown = reason === 'open' || reason === 'budget'
  const code = isDown ? 'PROVIDER_UNAVAILABLE' : 'PROVIDER_BUSY'
  const waiting = isDown ? 'queued: provider unavailable' : 'queued: provider busy'
  const message = isDown && hasOthers ? 'provider unavailable: asking another one' : waiting
  await announcer.progress(task, { percent: task.progress, message })
  return new Denial(`the provider cannot be asked now: ${reason}`, retryAfterMs, code)
}

/** A slot that Redis lost, or that was lost with it, is entered again. */
async function renew(
  { limiter, events, slotLeaseMs }: GateDeps,
  { entry, holder, signal }: { entry: GateEntry; holder: Holder; signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    try {
      await wait(slotLeaseMs / 6, undefined, { signal })
      if (!(await limiter.renew(holder))) return
    } catch (error) {
      if (!signal.aborted) events.gateFailed(entry.attempt.task, error)
    }
  }
}

/** What the end of a conversation says about the provider. Redis may be away: it lapses then. */
async function close(deps: GateDeps, entry: GateEntry, error: unknown): Promise<void> {
  const { attempt, account } = entry
  const { limiter, breaker, events } = deps
  const holder = holderOf(entry)
  try {
    const change = await breaker.report(holder, error === undefined ? 'success' : outcomeOf(error))
    if (change !== 'same') events.breakerChanged(account.type, change)
    if (error instanceof ProviderFailure && error.kind === 'throttled') {
      const ownMs = account.limits.baseBackoffMs ?? cooldownDefaultMs
      await limiter.coolDown(account.id, error.retryAfterMs ?? ownMs)
    }
    if (error instanceof ProviderFailure && error.kind === 'unauthorized') {
      if (await deps.keyRefused(account)) events.healthChanged(account.type, false)
    }
  } catch (failure) {
    events.gateFailed(attempt.task, failure)
  }
  if (!goesOn(attempt, error)) await free(deps, attempt, error === undefined)
}

async function free({ limiter, events }: GateDeps, attempt: Attempt, isSuccess: boolean) {
  const { slot } = attempt
  if (slot === undefined) return
  delete attempt.slot
  try {
    await limiter.release(slot, { isSuccess })
  } catch (error) {
    // It is free when its lease is over.
    events.gateFailed(attempt.task, error)
  }
}

/** The call is open at the provider and will be taken up again: its slot waits for that. */
function goesOn({ submitted }: Attempt, error: unknown): boolean {
  if (submitted === undefined || error === undefined || error instanceof TaskFault) return false
  if (error instanceof Interruption) return error.reason === 'stopping'
  return !(error instanceof ProviderFailure && error.isFinal)
}

const outcomes: Readonly<Record<FailureKind, Outcome>> = {
  rejected: 'success',
  moderated: 'success',
  expired: 'success',
  failed: 'failure',
  bad_response: 'failure',
  unavailable: 'failure',
  timed_out: 'failure',
  throttled: 'neutral',
  unauthorized: 'neutral',
  misconfigured: 'neutral',
  canceled: 'neutral',
}

function outcomeOf(error: unknown): Outcome {
  if (error instanceof ProviderFailure) return outcomes[error.kind]
  if (error instanceof TaskFault && error.code === 'PROVIDER_TIMEOUT') return 'failure'
  return 'neutral'
}
