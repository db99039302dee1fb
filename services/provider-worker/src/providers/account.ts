import type { ObserveExchange } from './exchange.ts'

/** What an adapter needs to speak for one account at its vendor. */
export interface ProviderAccount {
  readonly apiKey: string
  /** Replaces the vendor's address; null for the vendor itself. */
  readonly baseUrl: string | null
  readonly timeouts: ProviderTimeouts
  readonly observe: ObserveExchange
}

export interface ProviderTimeouts {
  /** For one upload or submission. A vendor that answers with the result has the step's time. */
  readonly submitMs: number
  /** For one question about a submitted call. */
  readonly pollMs: number
  readonly pollIntervalMs: number
}
