import type { TaskId } from '@funmagic/contract/ids'
import type { Database } from '@funmagic/database/client'
import { findTasks, type Task } from '@funmagic/task/tasks'

const batchMax = 500

/**
 * Finds the end of tasks whose terminal event was lost, such as when a worker died between its
 * commit and its message (R2, W8). One query per 500 watched tasks for the whole process, not
 * one per stream (TR8).
 */
export class SafetyPoll {
  readonly #database: Database
  readonly #onError: (error: unknown) => void
  readonly #listeners = new Map<TaskId, Set<(task: Task) => void>>()
  readonly #timer: NodeJS.Timeout
  #isPolling = false

  constructor(deps: { database: Database; intervalMs: number; onError: (error: unknown) => void }) {
    this.#database = deps.database
    this.#onError = deps.onError
    this.#timer = setInterval(() => void this.#poll(), deps.intervalMs).unref()
  }

  /** Calls the listener when the task is seen finished; the result ends the watch. */
  watch(taskId: TaskId, onFinished: (task: Task) => void): () => void {
    const listeners = this.#listeners.get(taskId) ?? new Set()
    listeners.add(onFinished)
    this.#listeners.set(taskId, listeners)
    return () => {
      listeners.delete(onFinished)
      if (listeners.size === 0) this.#listeners.delete(taskId)
    }
  }

  close(): void {
    clearInterval(this.#timer)
  }

  async #poll(): Promise<void> {
    if (this.#isPolling || this.#listeners.size === 0) return
    this.#isPolling = true
    try {
      const taskIds = [...this.#listeners.keys()]
      for (let from = 0; from < taskIds.length; from += batchMax) {
        const tasks = await findTasks(this.#database, taskIds.slice(from, from + batchMax))
        for (const task of tasks.filter(({ finishedAt }) => finishedAt !== null)) {
          for (const onFinished of this.#listeners.get(task.id) ?? []) onFinished(task)
        }
      }
    } catch (error) {
      // Postgres is away: the next round asks again.
      this.#onError(error)
    } finally {
      this.#isPolling = false
    }
  }
}
