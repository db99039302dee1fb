export interface Watched {
  /** How long ago it last asked for work; 0 while it has its hands full. */
  lastFetchAgeSeconds(): number
  /** Rejects when the queue does not answer. */
  ping(): Promise<void>
}

/**
 * Finds out that a worker has stopped asking for work although its queue answers (fault Q-5): its
 * blocking connection is dead and nothing has said so. There is no way back from that but a new
 * process. While the queue is away nobody can ask, so only the time counts since it answers.
 */
export class WedgeWatch {
  readonly #watched: Watched
  readonly #wedgedAfterMs: number
  readonly #now: () => number
  #answeringSinceMs: number | undefined

  constructor(watched: Watched, wedgedAfterMs: number, now = () => performance.now()) {
    this.#watched = watched
    this.#wedgedAfterMs = wedgedAfterMs
    this.#now = now
  }

  /** Returns what is wrong, if something is. */
  async look(): Promise<Error | undefined> {
    try {
      await this.#watched.ping()
    } catch {
      // The queue is away; the health check says so.
      this.#answeringSinceMs = undefined
      return undefined
    }
    this.#answeringSinceMs ??= this.#now()
    const answeringMs = this.#now() - this.#answeringSinceMs
    const idleMs = Math.min(this.#watched.lastFetchAgeSeconds() * 1000, answeringMs)
    if (idleMs <= this.#wedgedAfterMs) return undefined
    return new Error(`the worker has not asked for work for ${Math.round(idleMs)} ms`)
  }
}
