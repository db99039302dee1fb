import { AppError } from '@funmagic/contract/problem'

/**
 * Lets a number of jobs run at once and a number wait; more are OVERLOADED. Decoding a picture
 * takes a thread and up to 160 MB, so what comes in must not decide how many run.
 */
export class Slots {
  readonly #waitingMax: number
  readonly #waiting: (() => void)[] = []
  #free: number

  constructor(limits: { runningMax: number; waitingMax: number }) {
    this.#free = limits.runningMax
    this.#waitingMax = limits.waitingMax
  }

  async use<Result>(work: () => Promise<Result>): Promise<Result> {
    await this.#take()
    try {
      return await work()
    } finally {
      this.#giveBack()
    }
  }

  #take(): Promise<void> {
    if (this.#free > 0) {
      this.#free--
      return Promise.resolve()
    }
    if (this.#waiting.length >= this.#waitingMax) {
      return Promise.reject(new AppError('OVERLOADED', { retryAfterSeconds: 2 }))
    }
    return new Promise(resolve => this.#waiting.push(resolve))
  }

  /** A slot goes from hand to hand, so that a newcomer cannot take it from one who waits. */
  #giveBack(): void {
    const next = this.#waiting.shift()
    if (next) next()
    else this.#free++
  }
}
