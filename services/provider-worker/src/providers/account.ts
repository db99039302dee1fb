import type { ObserveExchange } from './exchange.ts'
import type { Pause, PollTerms } from './poll.ts'

/** What an adapter needs to speak for one account at its vendor. */
export interface ProviderAccount {
  readonly apiKey: string
  /** Replaces the vendor's address; null for the vendor itself. */
  readonly baseUrl: string | null
  readonly timeouts: ProviderTimeouts
  /** Where the vendor may call us back; it is asked for what has become of a call all the same. */
  readonly callbackUrl?: string | undefined
  /** Waits between two questions, shorter when there is news of the call. */
  readonly pause?: Pause
  readonly observe: ObserveExchange
}

/** The address at which the vendor tells us of this call; it names ours, for it may come first. */
export function callbackOf(account: ProviderAccount, reference: string): string | undefined {
  if (account.callbackUrl === undefined) return undefined
  const url = new URL(account.callbackUrl)
  url.searchParams.set('call', reference)
  return url.href
}

/** How the adapter waits between two questions about a call. */
export function waitingFor(
  { timeouts, pause }: ProviderAccount,
  providerRequestId: string,
  signal: AbortSignal,
): PollTerms {
  return {
    intervalMs: timeouts.pollIntervalMs,
    signal,
    pause: pause && (ms => pause(providerRequestId, ms, signal)),
  }
}

export interface ProviderTimeouts {
  /** For one upload or submission. A vendor that answers with the result has the step's time. */
  readonly submitMs: number
  /** For one question about a submitted call. */
  readonly pollMs: number
  readonly pollIntervalMs: number
}
