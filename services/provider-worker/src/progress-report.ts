import { setTimeout as wait } from 'node:timers/promises'
import type { ProgressUpdate } from './providers/provider.ts'

export interface Progress {
  readonly percent: number
  readonly message: string
  readonly draft?: Uint8Array | undefined
}

export interface ProgressReportOptions {
  /** The task's percentage so far; nothing below it is told. */
  readonly startPercent: number
  readonly intervalMs: number
  readonly publish: (progress: Progress) => Promise<void>
  readonly onError: (error: unknown) => void
}

// The provider's part of the work; the rest is fetching its input before and its outputs after.
const providerStartPercent = 5
const providerEndPercent = 90

/**
 * Tells what an attempt reports, one telling at a time, at most one per interval, each only when
 * it says something new. What cannot be told is not repeated: the next update says more.
 */
export class ProgressReport {
  readonly #options: ProgressReportOptions
  readonly #ended = new AbortController()
  #latest: Progress | undefined
  #told: Progress
  #telling: Promise<void> | undefined

  constructor(options: ProgressReportOptions) {
    this.#options = options
    this.#told = { percent: options.startPercent, message: '' }
  }

  update({ fraction, message, draft }: ProgressUpdate): void {
    const span = providerEndPercent - providerStartPercent
    const percent = Math.round(providerStartPercent + span * Math.min(1, Math.max(0, fraction)))
    this.#latest = { percent: Math.max(percent, this.#told.percent), message, draft }
    const isBusy = this.#telling !== undefined
    if (isBusy || this.#ended.signal.aborted || !isNews(this.#latest, this.#told)) return
    this.#telling = this.#tellAll()
  }

  /** Afterwards nothing more is told. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort()
    await this.#telling
  }

  async #tellAll(): Promise<void> {
    const { intervalMs, publish, onError } = this.#options
    const { signal } = this.#ended
    try {
      while (!signal.aborted && this.#latest !== undefined && isNews(this.#latest, this.#told)) {
        this.#told = this.#latest
        await publish(this.#told)
        await wait(intervalMs, undefined, { signal })
      }
    } catch (error) {
      // The wait rejects when the report has ended.
      if (!signal.aborted) onError(error)
    } finally {
      this.#telling = undefined
    }
  }
}

function isNews(latest: Progress, told: Progress): boolean {
  if (latest.draft !== undefined && latest.draft !== told.draft) return true
  return latest.percent > told.percent || latest.message !== told.message
}
