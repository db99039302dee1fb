import type { TaskJob } from '@funmagic/contract/task'
import type { Redis } from 'ioredis'
import type { WakeUp } from './outbox.ts'

export interface QueueOptions {
  readonly redis: Redis
  /** Namespace of the keys; `bull` unless told. */
  readonly prefix?: string | undefined
  /** `ai-tasks` unless told. */
  readonly name?: string | undefined
  readonly onError: (error: Error) => void
}

export interface ConsumerOptions extends QueueOptions {
  readonly concurrency: number
  /**
   * Runs one wake-up. The signal aborts when the queue has given the job to somebody else, or
   * when the consumer closes; the work must then end within a second or be handed back.
   */
  readonly onJob: (job: TaskJob, signal: AbortSignal) => Promise<void>
}

export interface QueueCounts {
  readonly waiting: number
  readonly active: number
  readonly delayed: number
  readonly failed: number
}

/** The producing side of the queue. `redis` must fail fast: role `queue-producer`. */
export declare class TaskQueue {
  constructor(options: QueueOptions)
  /** Adds the wake-ups; one that is still waiting is not added twice. Gives up after 3 s. */
  enqueue(wakeUps: readonly WakeUp[]): Promise<void>
  counts(): Promise<QueueCounts>
  [Symbol.asyncDispose](): Promise<void>
}

/** The consuming side. `redis` must wait for ever on its commands: role `queue-worker`. */
export declare class TaskConsumer {
  constructor(options: ConsumerOptions)
  /** Milliseconds since the consumer last asked for work or was full; grows when it is wedged. */
  lastFetchAgeMs(): number
  activeCount(): number
  /** Takes no more jobs, aborts the running ones, and waits; false when the deadline came first. */
  close(deadlineMs: number): Promise<boolean>
}

/**
 * Throws unless the queue's Redis never evicts (decision 14; BullMQ, "Going to production").
 * Where CONFIG is forbidden (ElastiCache) it calls `onUnknown` instead.
 */
export declare function requireNoEviction(
  redis: Redis,
  onUnknown: (reason: Error) => void,
): Promise<void>
