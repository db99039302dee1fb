import { StoreFailure } from '@funmagic/asset/object-store'
import { AppError } from '@funmagic/contract/problem'
import type { RateLimit } from '@funmagic/contract/provider-config'
import type { HandBack } from '@funmagic/task/lifecycle'
import type { FailureCode } from '@funmagic/task/task-state'
import { Denial } from './denial.ts'
import { Interruption } from './interruption.ts'
import { failureKinds, ProviderFailure } from './providers/provider.ts'

/** The task cannot succeed, whatever is tried; the message is for operators. */
export class TaskFault extends Error {
  readonly code: FailureCode

  constructor(code: FailureCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'TaskFault'
    this.code = code
  }
}

export type Verdict =
  | { readonly kind: 'discard' }
  | { readonly kind: 'handBack' }
  | Again
  | { readonly kind: 'fail'; readonly code: FailureCode }

interface Again {
  readonly kind: 'again'
  readonly counts: HandBack['counts']
  readonly delayMs: number
}

export interface RetryPolicy {
  /** How often a task is tried again after failures that may pass. */
  readonly retriesMax: number
  /** How often it is tried again after an answer of 429. */
  readonly rateLimitsMax: number
  readonly baseDelayMs: number
  /** The longest delay of our own; a provider's Retry-After is honoured beyond it. */
  readonly delayMaxMs: number
}

/** What is known of a task when its attempt has ended. */
export interface TriedTask {
  readonly retries: number
  readonly rateLimitAttempts: number
  /** Until its deadline. */
  readonly remainingMs: number
  /** No provider was asked, or its call can be taken up: another try costs nothing there. */
  readonly isFree: boolean
}

const denialDelayMinMs = 250
// Between two looks whether our own store is back, in first delays.
const storeDelayFactor = 8

/**
 * What becomes of a task whose attempt ended with this error: the one retry policy (T13, V7). Each
 * kind of trouble has its own count and its own bound, and the deadline of the task bounds them
 * all: a delay that ends after it is not begun (TR4). `random` is within 0 and 1.
 */
export function judge(
  error: unknown,
  task: TriedTask,
  policy: RetryPolicy,
  random: number,
): Verdict {
  if (error instanceof Interruption) {
    return { kind: error.reason === 'superseded' ? 'discard' : 'handBack' }
  }
  const code = codeOf(error)
  const again = planAgain(error, task, { ...policy, random })
  if (again === undefined || again.delayMs >= task.remainingMs) return { kind: 'fail', code }
  return again
}

function planAgain(
  error: unknown,
  task: TriedTask,
  policy: RetryPolicy & { readonly random: number },
): Again | undefined {
  if (error instanceof TaskFault) return undefined
  if (error instanceof Denial) {
    const delayMs = Math.max(error.retryAfterMs, denialDelayMinMs) * (1 + policy.random / 4)
    return { kind: 'again', counts: 'nothing', delayMs: Math.round(delayMs) }
  }
  if (error instanceof StoreFailure && task.isFree) {
    // An outage of our own is no fault of the task's; only its deadline ends the waiting.
    const delayMs = Math.min(policy.baseDelayMs * storeDelayFactor, policy.delayMaxMs)
    const spreadMs = Math.round(delayMs * (1 + policy.random / 4))
    return { kind: 'again', counts: 'nothing', delayMs: spreadMs }
  }
  const failure = error instanceof ProviderFailure ? error : undefined
  if (failure?.isFinal) return undefined
  const [counts, tries, triesMax] =
    failure?.kind === 'throttled'
      ? (['rateLimit', task.rateLimitAttempts, policy.rateLimitsMax] as const)
      : (['retry', task.retries, policy.retriesMax] as const)
  if (tries >= triesMax) return undefined
  // 1, 2, 4 s and so on, spread by up to a quarter; at least what the provider asks for.
  const ownDelayMs = Math.min(policy.baseDelayMs * 2 ** tries, policy.delayMaxMs)
  const delayMs = Math.max(ownDelayMs * (1 + policy.random / 4), failure?.retryAfterMs ?? 0)
  return { kind: 'again', counts, delayMs: Math.round(delayMs) }
}

/** The policy at a provider whose operator has said otherwise (V5). */
export function retryPolicyOf(policy: RetryPolicy, limits: RateLimit = {}): RetryPolicy {
  const { retryOn429 = true, maxRetries, baseBackoffMs } = limits
  return {
    ...policy,
    retriesMax: maxRetries ?? policy.retriesMax,
    rateLimitsMax: retryOn429 ? policy.rateLimitsMax : 0,
    baseDelayMs: baseBackoffMs ?? policy.baseDelayMs,
  }
}

function codeOf(error: unknown): FailureCode {
  if (error instanceof TaskFault) return error.code
  if (error instanceof Denial) return error.code
  if (error instanceof ProviderFailure) return failureKinds[error.kind].code
  return 'INTERNAL_ERROR'
}

/** What operators read in the task's record: the error and its causes, without its stack. */
export function describeError(error: unknown): string {
  const parts: string[] = []
  let current = error
  while (current instanceof Error && parts.length < 4) {
    const kind = current instanceof ProviderFailure ? `${current.kind}: ` : ''
    const code = current instanceof AppError ? `${current.code}: ` : ''
    parts.push(`${kind}${code}${current.message}`)
    current = current.cause
  }
  return parts.length === 0 ? 'something that is not an Error' : parts.join(' ← ').slice(0, 1_000)
}
