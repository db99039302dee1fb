import { Queue, Worker, type Job } from 'bullmq'
import { Redis } from 'ioredis'
import { taskQueueName, type TaskJob } from '@funmagic/contract/task'
import type { WakeUp } from './outbox.ts'

/**
 * BullMQ carries wake-ups and decides nothing: a job runs once, leaves no history, and is not
 * retried, because retries, leases and fencing are Postgres' (lifecycle.ts, sweeps.ts). With no
 * history an id is free again as soon as its job ends, so a lost wake-up can be sent again.
 */
export interface QueueOptions {
  readonly url: string
  /** Namespace of the keys; `bull` unless told. */
  readonly prefix?: string | undefined
  /** `ai-tasks` unless told. */
  readonly name?: string | undefined
  /** Shown in CLIENT LIST. */
  readonly connectionName: string
  /** Told of everything that went wrong in the background. */
  readonly onError: (error: Error) => void
}

export interface ConsumerOptions extends QueueOptions {
  readonly concurrency: number
  /**
   * Runs one wake-up. The signal aborts when the consumer closes: the work must then end or be
   * handed back. A lost BullMQ lock does not abort it: renewLease says who owns the task.
   */
  readonly onJob: (job: TaskJob, signal: AbortSignal) => Promise<void>
}

export interface QueueCounts {
  readonly waiting: number
  readonly active: number
  /** Jobs leave no history, so anything but 0 was written by something else than this class. */
  readonly failed: number
}

const addTimeoutMs = 3_000
const connectTimeoutMs = 2_000
const retryDelayMaxMs = 2_000
const pingTimeoutMs = 2_000
const bookkeepingTimeoutMs = 1_000
const jobName = 'wake-up'

/** The producing side of the queue. It fails fast: the outbox keeps what it could not send. */
export class TaskQueue {
  readonly #redis: Redis
  readonly #queue: Queue<TaskJob, void, string>

  constructor(options: QueueOptions) {
    this.#redis = connect(options, { maxRetriesPerRequest: 1, commandTimeout: addTimeoutMs })
    this.#queue = new Queue(options.name ?? taskQueueName, {
      connection: this.#redis,
      ...(options.prefix === undefined ? {} : { prefix: options.prefix }),
      // Asking for the version, once at the start, breaks the queue for good if Redis is down.
      skipVersionCheck: true,
      skipWaitingForReady: true,
      defaultJobOptions: { attempts: 1, removeOnComplete: true, removeOnFail: true },
    })
    this.#queue.on('error', options.onError)
  }

  /**
   * Adds the wake-ups; one that still waits in the queue is not added twice. Rejects within 3 s
   * when Redis does not answer.
   */
  async enqueue(wakeUps: readonly WakeUp[]): Promise<void> {
    const jobs = wakeUps.map(({ id, job }) => ({ name: jobName, data: job, opts: { jobId: id } }))
    await within(addTimeoutMs, 'adding to the queue', this.#queue.addBulk(jobs))
  }

  async counts(): Promise<QueueCounts> {
    const counting = this.#queue.getJobCounts('waiting', 'active', 'failed')
    const counted = await within(addTimeoutMs, 'counting jobs', counting)
    const { waiting = 0, active = 0, failed = 0 } = counted
    return { waiting, active, failed }
  }

  /** Resolves when Redis answers, for the health check. */
  async ping(): Promise<void> {
    await within(pingTimeoutMs, 'PING', this.#redis.ping())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue.close()
    this.#redis.disconnect()
  }
}

/** The consuming side. It outlives any Redis outage and goes on when Redis is back. */
export class TaskConsumer {
  readonly #redis: Redis
  readonly #worker: FetchStampingWorker
  readonly #concurrency: number
  readonly #running = new Set<Promise<void>>()
  readonly #closing = new AbortController()

  constructor(options: ConsumerOptions) {
    this.#concurrency = options.concurrency
    this.#redis = connect(options, { maxRetriesPerRequest: null })
    const run = (job: Job<TaskJob>) => this.#run(job.data, options.onJob)
    this.#worker = new FetchStampingWorker(options.name ?? taskQueueName, run, {
      connection: this.#redis,
      ...(options.prefix === undefined ? {} : { prefix: options.prefix }),
      concurrency: options.concurrency,
    })
    const report = (error: Error) => {
      if (!this.#closing.signal.aborted) options.onError(error)
    }
    this.#worker.on('error', report)
    this.#worker.on('failed', (_job, error) => report(error))
  }

  async #run(job: TaskJob, onJob: ConsumerOptions['onJob']): Promise<void> {
    const work = onJob(job, this.#closing.signal)
    this.#running.add(work)
    try {
      await work
    } finally {
      this.#running.delete(work)
    }
  }

  /**
   * Milliseconds since the consumer last asked for work, 0 while it has its hands full. Idle, it
   * asks every 5 s; far above that it is wedged and must be restarted (fault Q-5).
   */
  lastFetchAgeMs(): number {
    if (this.activeCount() >= this.#concurrency) return 0
    return performance.now() - this.#worker.fetchedAtMs
  }

  activeCount(): number {
    return this.#running.size
  }

  /** Resolves when Redis answers, for the health check. */
  async ping(): Promise<void> {
    await within(pingTimeoutMs, 'PING', this.#redis.ping())
  }

  /**
   * Takes no more jobs, aborts the running ones and waits for them; false when the deadline came
   * first. BullMQ is left behind when it cannot finish its own bookkeeping, as without Redis: the
   * jobs' effects are in Postgres.
   */
  async close(deadlineMs: number): Promise<boolean> {
    this.#closing.abort(new Error('the consumer is closing'))
    // Pausing alone ends the timer of the stalled check, which close() leaves to run out.
    await this.#worker.pause(true)
    const closed = this.#worker.close()
    // Bounded: `concurrency` jobs run at most.
    const isInTime = await settlesWithin(deadlineMs, Promise.allSettled(this.#running))
    await settlesWithin(bookkeepingTimeoutMs, closed)
    await this.#worker.stopTimers()
    this.#redis.disconnect()
    return isInTime
  }
}

/** Knows when it last asked for a job; moveToActive is what it asks with. Guarded by a test. */
class FetchStampingWorker extends Worker<TaskJob, void, string> {
  fetchedAtMs = performance.now()

  protected override async moveToActive(token: string, name?: string) {
    const job = await super.moveToActive(token, name)
    this.fetchedAtMs = performance.now()
    return job
  }

  /** What close() does at its end, which it does not reach without Redis. */
  async stopTimers(): Promise<void> {
    await this.lockManager.close()
  }
}

/**
 * Throws unless the queue's Redis never evicts (decision 14; BullMQ, "Going to production"), or
 * when it does not answer. Where CONFIG is forbidden (ElastiCache) it calls `onUnknown` instead.
 */
export async function requireNoEviction(
  options: Connection,
  onUnknown: (reason: Error) => void,
): Promise<void> {
  const redis = connect(options, { maxRetriesPerRequest: 2 })
  try {
    const policy = await within(addTimeoutMs, 'reading the policy', readPolicy(redis))
    if (policy instanceof Error) onUnknown(policy)
    else if (policy !== 'noeviction') {
      throw new Error(
        `the queue's Redis has maxmemory-policy ${policy}; jobs need noeviction, or some vanish`,
      )
    }
  } finally {
    redis.disconnect()
  }
}

async function readPolicy(redis: Redis): Promise<string | Error> {
  try {
    const reply = await redis.config('GET', 'maxmemory-policy')
    const value: unknown = Array.isArray(reply) ? reply[1] : undefined
    return typeof value === 'string' ? value : new Error('CONFIG GET says nothing of the policy')
  } catch (error) {
    const isRefusal = error instanceof Error && /^(NOPERM|ERR unknown command)/.test(error.message)
    if (isRefusal) return error
    throw new Error('the Redis of the queue cannot be asked for its policy', { cause: error })
  }
}

type ConnectionPolicy = { maxRetriesPerRequest: number | null; commandTimeout?: number }
type Connection = Pick<QueueOptions, 'url' | 'connectionName' | 'onError'>

function connect(options: Connection, policy: ConnectionPolicy): Redis {
  const redis = new Redis(options.url, {
    ...policy,
    connectionName: options.connectionName,
    connectTimeout: connectTimeoutMs,
    retryStrategy: times => Math.min(times * 100, retryDelayMaxMs),
  })
  redis.on('error', options.onError)
  return redis
}

async function within<Result>(
  timeoutMs: number,
  what: string,
  work: Promise<Result>,
): Promise<Result> {
  const { promise: expiry, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`${what} took over ${timeoutMs} ms`)), timeoutMs)
  try {
    return await Promise.race([work, expiry])
  } finally {
    clearTimeout(timer)
  }
}

async function settlesWithin(timeoutMs: number, work: Promise<unknown>): Promise<boolean> {
  const { promise: expiry, resolve } = Promise.withResolvers<false>()
  const timer = setTimeout(() => resolve(false), timeoutMs)
  try {
    return await Promise.race([work.then(() => true), expiry])
  } finally {
    clearTimeout(timer)
  }
}
