import type { Attempt } from './attempt.ts'
import { ProviderFailure, type FailureKind } from './providers/provider.ts'

/** Of a call that the provider did not take: it is down, or it is not for us. */
const elsewhere: readonly FailureKind[] = [
  'unavailable',
  'timed_out',
  'unauthorized',
  'misconfigured',
]

/**
 * What the owner is told when the failure leads to another model of the step at once, and undefined
 * when it does not: another must be left that was not asked, and the call must not be with the
 * provider. Content that a model's rules forbid is shown to one other model, and no third (V9).
 */
export function findDetour(
  { detours, submitted, callId }: Attempt,
  error: unknown,
): string | undefined {
  if (callId === undefined || detours?.isLeft !== true) return undefined
  if (!(error instanceof ProviderFailure)) return undefined
  if (error.kind === 'moderated') {
    return detours.wasModerated ? undefined : 'refused by the model: asking another one'
  }
  const isElsewhere = submitted === undefined && elsewhere.includes(error.kind)
  return isElsewhere ? 'provider unavailable: asking another one' : undefined
}
