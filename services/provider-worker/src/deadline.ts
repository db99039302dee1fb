/** Aborts its signal when the time is over; disposing of it stops the clock. */
export class Deadline {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout

  constructor(timeoutMs: number, reason: () => Error) {
    this.#timer = setTimeout(() => this.#controller.abort(reason()), timeoutMs)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }
}
