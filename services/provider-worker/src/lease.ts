import { setTimeout as wait } from 'node:timers/promises'
import { Interruption } from './interruption.ts'

export interface LeaseOptions {
  readonly leaseMs: number
  /** False when the claim is over. */
  readonly renew: () => Promise<boolean>
  /** Told of a renewal that failed on the way. */
  readonly onError: (error: unknown) => void
}

/**
 * Holds a claimed task by renewing its lease every third of it. A renewal that cannot reach
 * Postgres ends nothing: the sweeper cannot reach it either, and if it was faster, the next
 * renewal or the settlement finds that the claim is over (T2, P-2).
 */
export class Lease {
  readonly #lost = new AbortController()
  readonly #ended = new AbortController()

  constructor(options: LeaseOptions) {
    void this.#hold(options)
  }

  /** Aborts with an Interruption once somebody else owns the task, or nobody any more. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  /** For whoever learns from another write that the claim is over. */
  lose(): void {
    this.#lost.abort(new Interruption('superseded'))
  }

  [Symbol.dispose](): void {
    this.#ended.abort()
  }

  async #hold({ leaseMs, renew, onError }: LeaseOptions): Promise<void> {
    const { signal } = this.#ended
    while (!signal.aborted) {
      try {
        await wait(leaseMs / 3, undefined, { signal })
        if (!(await renew())) {
          this.lose()
          return
        }
      } catch (error) {
        // The wait rejects when the lease is given up, and then there is nobody to tell.
        if (!signal.aborted) onError(error)
      }
    }
  }
}
