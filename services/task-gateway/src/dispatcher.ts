import { setTimeout as wait } from 'node:timers/promises'
import type { Database } from '@funmagic/database/client'
import { failpoint } from '@funmagic/runtime/failpoints'
import { Pause } from '@funmagic/runtime/pause'
import { relayOutbox, type WakeUp } from '@funmagic/task/outbox'
import type { TaskQueue } from '@funmagic/task/queue'
import type { Events } from './events.ts'

interface DispatcherOptions {
  readonly database: Database
  readonly queue: Pick<TaskQueue, 'enqueue'>
  readonly events: Events
  /** How long it waits for a nudge before it looks by itself. */
  readonly intervalMs: number
  readonly batchSize: number
}

/**
 * Wake-ups that come while a batch is sent go together so long after it, in one more: a wake-up by
 * itself goes at once, and many share the statements of a batch.
 */
const gatherMs = 50
const backoffFirstMs = 250
const backoffMaxMs = 5_000

/**
 * Moves wake-ups from the outbox to the queue. It looks at a nudge and otherwise at intervals,
 * sends whole batches until the outbox is empty, and backs off while Redis or Postgres is away:
 * the rows wait, so an outage delays tasks and loses none. Any number of them may run at
 * once, because the outbox gives each row to one relay at a time.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #finished: Promise<void>
  readonly #pause = new Pause()
  #isStopping = false
  #isNudged = false
  #failures = 0

  constructor(options: DispatcherOptions) {
    this.#options = options
    this.#finished = this.#run()
  }

  /** Says that the outbox has a new row. While it backs off it is not hurried. */
  nudge(): void {
    this.#isNudged = true
    if (this.#failures === 0) this.#pause.cut()
  }

  /** Ends after the batch that is under way, whose send has a deadline of its own. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true
    this.#pause.cut()
    await this.#finished
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      this.#isNudged = false
      const pauseMs = await this.#relay()
      if (this.#isStopping) return
      const isNudged = this.#isNudged && this.#failures === 0
      await (isNudged ? wait(gatherMs) : this.#pause.wait(pauseMs))
    }
  }

  /** Sends one batch; returns how long to wait before the next. */
  async #relay(): Promise<number> {
    const { database, queue, events, batchSize, intervalMs } = this.#options
    try {
      const send = async (wakeUps: readonly WakeUp[]): Promise<void> => {
        failpoint('relay.locked')
        await queue.enqueue(wakeUps)
        failpoint('relay.added')
      }
      const sent = await relayOutbox(database, send, { batchSize })
      if (this.#failures > 0) events.dispatchRecovered(this.#failures)
      this.#failures = 0
      events.dispatched(sent)
      return sent < batchSize ? intervalMs : 0
    } catch (error) {
      // Redis or Postgres is away; what was not sent is still in the outbox.
      this.#failures += 1
      events.dispatchFailed(error, this.#failures)
      const backoffMs = Math.min(backoffFirstMs * 2 ** (this.#failures - 1), backoffMaxMs)
      return backoffMs * (0.5 + Math.random() / 2)
    }
  }
}
