import { isId } from '@funmagic/contract/ids'
import type { TaskJob } from '@funmagic/contract/task'
import { TaskConsumer } from '@funmagic/task/queue'
import type { Shutdown } from './attempt.ts'
import type { Events } from './events.ts'
import { Interruption } from './interruption.ts'

export interface WorkerOptions {
  readonly queueUrl: string
  /** Namespace of the queue's keys. */
  readonly queuePrefix?: string | undefined
  readonly concurrency: number
  readonly lockMs: number
  readonly wedgedAfterMs: number
  readonly graceMs: number
  readonly runTask: (taskId: string, shutdown: Shutdown) => Promise<void>
  readonly events: Events
}

/** What remains after the grace for handing back, within the 25 s of the whole shutdown. */
const handBackMs = 5_000

/**
 * Takes wake-ups from the queue and runs their tasks. A wake-up is a hint: it is done with,
 * whatever becomes of its task, since Postgres knows what is left to do and the sweeper sees to it
 * (decision 2). Only when Postgres could not be asked does the queue bring it again, in seconds.
 */
export class Worker {
  readonly #consumer: TaskConsumer
  readonly #options: WorkerOptions
  readonly #started = new AbortController()
  readonly #expired = new AbortController()

  constructor(options: WorkerOptions) {
    this.#options = options
    this.#consumer = new TaskConsumer({
      url: options.queueUrl,
      prefix: options.queuePrefix,
      connectionName: 'provider-worker',
      concurrency: options.concurrency,
      lockMs: options.lockMs,
      onJob: job => this.#run(job),
      onError: error => options.events.connectionFailed('queue', error),
    })
  }

  lastFetchAgeSeconds(): number {
    return this.#consumer.lastFetchAgeMs() / 1000
  }

  /** Rejects when the queue does not answer, or when this worker no longer asks it. */
  async check(): Promise<void> {
    const ageMs = this.#consumer.lastFetchAgeMs()
    if (ageMs > this.#options.wedgedAfterMs) {
      throw new Error(`the worker has not asked for work for ${Math.round(ageMs)} ms`)
    }
    await this.ping()
  }

  /** Rejects when the queue does not answer. */
  async ping(): Promise<void> {
    await this.#consumer.ping()
  }

  /**
   * Takes nothing more. What only waits is handed back at once, the rest after the grace, without
   * counting as a try; another worker goes on with it.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    const { graceMs } = this.#options
    this.#started.abort(new Interruption('stopping'))
    const timer = setTimeout(() => this.#expired.abort(new Interruption('stopping')), graceMs)
    const isInTime = await this.#consumer.close(graceMs + handBackMs)
    clearTimeout(timer)
    if (!isInTime) throw new Error('tasks were still running at the end; their leases will run out')
  }

  async #run(job: TaskJob): Promise<void> {
    const { events, runTask } = this.#options
    if (!isTaskJob(job)) return events.jobRefused(job)
    try {
      await runTask(job.taskId, { started: this.#started.signal, expired: this.#expired.signal })
    } catch (error) {
      // Postgres was away when the task was to be claimed or handed back: its wake-up comes again
      // in seconds, is written again if that is not enough, or its lease runs out.
      events.taskCrashed(job, error)
      throw error
    }
  }
}

/** What comes out of Redis may be anything. */
function isTaskJob(job: unknown): job is TaskJob {
  if (typeof job !== 'object' || job === null || !('taskId' in job)) return false
  return typeof job.taskId === 'string' && isId(job.taskId)
}
