import { Queue, Worker, type Job } from 'bullmq'
import { Redis } from 'ioredis'
import { taskQueueName, type TaskJob } from '@funmagic/contract/task'
import type { WakeUp } from './outbox.ts'

/**
 * BullMQ carries wake-ups and decides nothing: a job leaves no history, and retries, leases and
 * fencing of tasks are Postgres' (lifecycle.ts, sweeps.ts). It repeats only what threw, which is a
 * store that was away, a few times within seconds; claiming decides whether there is work left.
 * With no history an id is free again as soon as its job ends, so a lost wake-up can be sent again.
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
   * A job whose worker died between taking it and claiming its task is given to another after two
   * and a half times this at most (L11); 10 s unless told.
   */
  readonly lockMs?: number | undefined
  /**
   * Runs one wake-up. The signal aborts when the consumer closes: the work must then end or be
   * handed back. A lost BullMQ lock does not abort it: renewLease says who owns the task. What it
   * throws has been told by it, and makes the wake-up come again within seconds, three times.
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
/**
 * A connection that is owed an answer for so long was cut off in silence, and is made anew: TCP
 * alone takes a quarter of an hour. BullMQ waits for jobs for 10 s at most.
 */
const silenceMaxMs = 15_000
const pingTimeoutMs = 2_000
const bookkeepingTimeoutMs = 1_000
const lockDefaultMs = 10_000
const stalledMax = 1_000_000
const policyWaitMs = 3_000
/** At 0.5 to 1, 1 to 2 and 2 to 4 s; a longer outage is the sweeper's (redispatchLost). */
const runsMax = 4
const runAgainAfterMs = 1_000
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
      defaultJobOptions: {
        attempts: runsMax,
        backoff: { type: 'exponential', delay: runAgainAfterMs, jitter: 0.5 },
        removeOnComplete: true,
        removeOnFail: true,
      },
    })
    this.#queue.on('error', options.onError)
  }

  /**
   * Adds the wake-ups; one that still waits in the queue is not added twice, and a repeat brings it
   * to its new place. Rejects within 3 s when Redis does not answer.
   */
  async enqueue(wakeUps: readonly WakeUp[]): Promise<void> {
    await within(addTimeoutMs, 'adding to the queue', this.#add(wakeUps))
  }

  async #add(wakeUps: readonly WakeUp[]): Promise<void> {
    const jobs = wakeUps.map(({ id, job, priority }) => {
      return { name: jobName, data: job, opts: { jobId: id, priority } }
    })
    const added = await this.#queue.addBulk(jobs)
    // Bounded by the size of the relay's batch. One that is gone by now has been served.
    await Promise.allSettled(
      wakeUps.map(async ({ priority, isRepeat }, place) => {
        if (isRepeat) await added[place]?.changePriority({ priority })
      }),
    )
  }

  async counts(): Promise<QueueCounts> {
    const counting = this.#queue.getJobCounts('waiting', 'prioritized', 'active', 'failed')
    const counted = await within(addTimeoutMs, 'counting jobs', counting)
    const { waiting = 0, prioritized = 0, active = 0, failed = 0 } = counted
    return { waiting: waiting + prioritized, active, failed }
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
    const { lockMs = lockDefaultMs } = options
    const run = (job: Job<TaskJob>) => this.#run(job.data, options.onJob)
    this.#worker = new FetchStampingWorker(options.name ?? taskQueueName, run, {
      connection: this.#redis,
      ...(options.prefix === undefined ? {} : { prefix: options.prefix }),
      concurrency: options.concurrency,
      lockDuration: lockMs,
      stalledInterval: lockMs / 2,
      // What kills its workers is given up by Postgres (findPoisoned), not forgotten by the queue.
      maxStalledCount: stalledMax,
    })
    const report = (error: Error) => {
      if (!this.#closing.signal.aborted) options.onError(error)
    }
    this.#worker.on('error', report)
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

export interface EvictionCheck {
  /** Where CONFIG is forbidden (ElastiCache) the policy stays unknown, and that is told. */
  readonly onUnknown: (reason: Error) => void
  /** Told when it turns out, after the start, that the process must not go on with this Redis. */
  readonly onEvicting: (error: Error) => void
}

/**
 * Throws when the queue's Redis may evict jobs (decision 14; BullMQ, "Going to production"). One
 * that does not answer within 3 s keeps nobody from starting: it is asked as soon as it answers.
 * The function that comes back ends that wait.
 */
export async function requireNoEviction(
  options: Connection,
  { onUnknown, onEvicting }: EvictionCheck,
): Promise<() => void> {
  const redis = connect(options, { maxRetriesPerRequest: null })
  const checking = new AbortController()
  const check = checkPolicy(redis, onUnknown).finally(() => redis.disconnect())
  const isAnswered = await settlesWithin(policyWaitMs, check)
  if (!isAnswered) {
    check.catch((error: Error) => {
      if (!checking.signal.aborted) onEvicting(error)
    })
  }
  return () => {
    checking.abort()
    redis.disconnect()
  }
}

async function checkPolicy(redis: Redis, onUnknown: (reason: Error) => void): Promise<void> {
  const policy = await readPolicy(redis)
  if (policy instanceof Error) return onUnknown(policy)
  if (policy === 'noeviction') return
  throw new Error(
    `the queue's Redis has maxmemory-policy ${policy}; jobs need noeviction, or some vanish`,
  )
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
    socketTimeout: silenceMaxMs,
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
