/** One request and what came of it; status 0 when there was no answer. */
export interface Exchange {
  readonly method: string
  /** The path with ids left out. */
  readonly route: string
  readonly status: number
  readonly code: string | undefined
  readonly startedAt: number
  readonly endedAt: number
}

/** A task that a user wanted: one Idempotency-Key, however often it was sent. */
export interface Order {
  readonly key: string
  readonly userId: string
  readonly cost: number
  /** Of all 201s under the key: one, if all is well. */
  readonly taskIds: Set<string>
  /** The final refusal under the key, such as INSUFFICIENT_CREDITS. */
  refusal: string | undefined
  /** Whether a cancellation was confirmed. */
  isCanceled: boolean
}

export interface UserRecord {
  readonly id: string
  readonly email: string
  /** Credits that were given for nothing at the start. */
  readonly bonus: number
  /** Packages that Stripe has been paid for. */
  bought: number
}

/** An asset that is there for good: it was not deleted, and its bytes are known. */
export interface KeptAsset {
  readonly userId: string
  readonly sha256: string
}

/** What the clients saw: judged when the run is over. */
export class History {
  readonly exchanges: Exchange[] = []
  readonly orders: Order[] = []
  readonly users: UserRecord[] = []
  readonly uploads = new Map<string, KeptAsset>()
  /** Where each asset can be fetched, as its owner was told at the end. */
  readonly addresses = new Map<string, string>()
  /** Assets for whose deletion somebody has asked, whatever the answer was. */
  readonly deleted = new Set<string>()
  readonly findings: string[] = []

  countByStatus(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const { status } of this.exchanges) {
      const name = status === 0 ? 'none' : String(status)
      counts[name] = (counts[name] ?? 0) + 1
    }
    return counts
  }
}
