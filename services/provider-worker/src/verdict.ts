import { AppError } from '@funmagic/contract/problem'
import type { FailureCode } from '@funmagic/task/task-state'
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
  | { readonly kind: 'retry'; readonly delayMs: number; readonly code: FailureCode }
  | { readonly kind: 'fail'; readonly code: FailureCode }

export interface RetryPolicy {
  /** How often a task is tried again after failures that may pass. */
  readonly retriesMax: number
  readonly baseDelayMs: number
  /** The longest that a provider's Retry-After is honoured. */
  readonly delayMaxMs: number
}

/**
 * What becomes of a task whose attempt ended with this error: the one retry policy (T13, V7).
 * The delay doubles with every retry, is spread by up to a quarter, and is at least what the
 * provider asked for. `random` is within 0 and 1.
 */
export function judge(
  error: unknown,
  task: { readonly retries: number },
  policy: RetryPolicy,
  random: number,
): Verdict {
  if (error instanceof Interruption) {
    return { kind: error.reason === 'superseded' ? 'discard' : 'handBack' }
  }
  const code = codeOf(error)
  const isFinal = error instanceof TaskFault || (error instanceof ProviderFailure && error.isFinal)
  if (isFinal || task.retries >= policy.retriesMax) return { kind: 'fail', code }
  const ownDelayMs = policy.baseDelayMs * 2 ** task.retries * (1 + random / 4)
  const askedMs = error instanceof ProviderFailure ? (error.retryAfterMs ?? 0) : 0
  const delayMs = Math.round(Math.min(Math.max(ownDelayMs, askedMs), policy.delayMaxMs))
  return { kind: 'retry', delayMs, code }
}

function codeOf(error: unknown): FailureCode {
  if (error instanceof TaskFault) return error.code
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
