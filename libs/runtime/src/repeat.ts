import { Pause } from './pause.ts'

/**
 * Runs the work again and again with a pause in between, never twice at a time. The work handles
 * its own failures. Closing it waits for the run that is under way.
 */
export class Repeat {
  readonly #finished: Promise<void>
  readonly #pause = new Pause()
  #isStopping = false

  constructor(intervalMs: number, work: () => Promise<unknown>) {
    this.#finished = this.#run(intervalMs, work)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true
    this.#pause.cut()
    await this.#finished
  }

  async #run(intervalMs: number, work: () => Promise<unknown>): Promise<void> {
    while (!this.#isStopping) {
      await work()
      if (this.#isStopping) return
      // Spread by a fifth, so that the gateways of a fleet do not all sweep at the same moment.
      await this.#pause.wait(intervalMs * (0.9 + Math.random() / 5))
    }
  }
}
