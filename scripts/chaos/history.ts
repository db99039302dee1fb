/** One request and what came of it; status 0 when there was no answer. */
export interface Exchange {
  readonly method: string
  /** The path with ids left out. */
  readonly route: string
  readonly status: number
  readonly code: string | undefined
  readonly startedAt: number
  readonly endedAt: number
  /** The client did not wait for the answer. */
  readonly isHungUp: boolean
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
  /** Credits of the packages that Stripe has been paid for. */
  bought: number
  /** Credits of them that refunds and chargebacks take back. */
  reversed: number
  /** What operators gave, less what they took, and only the latter. */
  adjusted: number
  taken: number
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
  /** Addresses that were public at some time, and whose they were. */
  readonly publicAddresses = new Map<string, string>()
  /** The most calls at once that each provider was ever allowed. */
  readonly limits = new Map<string, number>()
  readonly findings: string[] = []
  readonly #open = new Set<string>()
  #begun = 0
  paymentsMade = 0
  /** What operators did. */
  operations = 0

  /** Notes that an answer is waited for. */
  begin(method: string, route: string): { end: () => void } {
    const name = `${method} ${route} ${this.#begun++}`
    this.#open.add(name)
    return { end: () => void this.#open.delete(name) }
  }

  /** Whether somebody waits for an answer of such a request. */
  isWaiting(request: string): boolean {
    return [...this.#open].some(name => name.startsWith(request))
  }

  /** Credits that go back because the money went back. */
  get reversed(): number {
    return this.users.reduce((sum, { reversed }) => sum + reversed, 0)
  }

  describe(): string {
    const { users, orders, operations, paymentsMade, reversed } = this
    const bought = `${paymentsMade} purchases paid, ${reversed} credits of them taken back`
    const people = `${users.length} users with ${orders.length} orders`
    return `${people}, ${operations} actions of operators, ${bought}`
  }

  countByStatus(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const { status } of this.exchanges) {
      const name = status === 0 ? 'none' : String(status)
      counts[name] = (counts[name] ?? 0) + 1
    }
    return counts
  }
}
