import type { TaskId } from '@funmagic/contract/ids'
import { isTerminal, type NumberedEvent } from '@funmagic/contract/progress'
import type { Database } from '@funmagic/database/client'
import { findTasks, type Task } from '@funmagic/task/tasks'

export interface TaskWaitsOptions {
  readonly database: Database
  readonly subscriber: {
    watchTask(taskId: TaskId, listener: (event: NumberedEvent) => void): Promise<() => void>
  }
  /** Requests of this process that wait at once; the ones beyond are answered at once. */
  readonly waitsMax: number
  readonly onError: (error: unknown) => void
}

export interface Wait {
  readonly seconds: number
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal
}

/** What came of it: the task as it is now, and for how long it was waited for at most. */
export interface Waited {
  readonly task: Task
  /** Undefined when nothing was waited for: too many wait already, or Redis is away. */
  readonly appliedSeconds: number | undefined
}

// Below the 60 s after which a load balancer closes a connection on which nothing moves.
const appliedMaxSeconds = 50

/**
 * Requests that wait for the end of a task (`Prefer: wait`). Each listens on the channel of its
 * task, over the one subscription of the process, and looks at Postgres once when it listens and
 * once when it answers. Nothing polls.
 */
export class TaskWaits {
  readonly #options: TaskWaitsOptions
  readonly #waiting = new Map<() => void, TaskId>()
  #isClosed = false

  constructor(options: TaskWaitsOptions) {
    this.#options = options
  }

  async untilEnded(task: Task, { seconds, signal }: Wait): Promise<Waited> {
    const appliedSeconds = Math.min(seconds, appliedMaxSeconds)
    const isFull = this.#isClosed || this.#waiting.size >= this.#options.waitsMax
    if (isFull || appliedSeconds === 0) return { task, appliedSeconds: undefined }
    if (task.finishedAt !== null) return { task, appliedSeconds }

    const { promise: over, resolve: end } = Promise.withResolvers<void>()
    this.#waiting.set(end, task.id)
    const timer = setTimeout(end, appliedSeconds * 1000)
    signal.addEventListener('abort', () => end(), { once: true })
    try {
      const isWaited = await this.#listen(task.id, { over, end })
      const now = await this.#look(task)
      return { task: now, appliedSeconds: isWaited ? appliedSeconds : undefined }
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(end)
    }
  }

  /** After a reconnection: what was told in between was not heard, so Postgres is asked. */
  async lookAgain(): Promise<void> {
    const taskIds = [...new Set(this.#waiting.values())].slice(0, lookMax)
    try {
      const tasks = await findTasks(this.#options.database, taskIds)
      const ended = new Set(tasks.filter(task => task.finishedAt !== null).map(task => task.id))
      for (const [end, taskId] of this.#waiting) if (ended.has(taskId)) end()
    } catch (error) {
      // Postgres is away: whoever waits is answered when its time is over.
      this.#options.onError(error)
    }
  }

  /** Answers all that wait, and lets nobody wait any more. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const end of this.#waiting.keys()) end()
  }

  get count(): number {
    return this.#waiting.size
  }

  async #listen(
    taskId: TaskId,
    { over, end }: { over: Promise<void>; end: () => void },
  ): Promise<boolean> {
    const { subscriber, database, onError } = this.#options
    try {
      const unwatch = await subscriber.watchTask(taskId, ({ event }) => {
        if (isTerminal(event)) end()
      })
      try {
        const [task] = await findTasks(database, [taskId])
        if (task !== undefined && task.finishedAt === null) await over
      } finally {
        unwatch()
      }
      return true
    } catch (error) {
      // Redis is away: the client is answered at once and asks again.
      onError(error)
      return false
    }
  }

  async #look(task: Task): Promise<Task> {
    const [now] = await findTasks(this.#options.database, [task.id])
    return now ?? task
  }
}

const lookMax = 500

/**
 * The seconds of `wait` in a Prefer header (RFC 7240); 0 without one. A preference that cannot be
 * understood is ignored, as the standard asks.
 */
export function readWait(prefer: string | string[] | undefined): number {
  const preferences = [prefer ?? []].flat().join(',').slice(0, headerMax).split(',')
  for (const preference of preferences) {
    const seconds = /^\s*wait\s*=\s*"?(\d{1,6})"?\s*(;.*)?$/i.exec(preference)?.[1]
    if (seconds !== undefined) return Number(seconds)
  }
  return 0
}

const headerMax = 1_000
