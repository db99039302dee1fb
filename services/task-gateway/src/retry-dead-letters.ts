import type { TaskId } from '@funmagic/contract/ids'
import { AppError, type ProblemCode } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import { inTransaction } from '@funmagic/database/transaction'
import { reserve } from '@funmagic/ledger/reservations'
import { findRetries, readRetry } from '@funmagic/task/dead-letters'
import { recordTask } from '@funmagic/task/submission'
import type { Task } from '@funmagic/task/tasks'
import type { SubmissionDeps } from './routes/submit-task.ts'

export interface RetryDeps extends Pick<SubmissionDeps, 'dispatcher' | 'announcer' | 'events'> {
  readonly database: Database
  readonly timeoutDefaultMs: number
}

/** What has become of one: the task that repeats it, or why there is none. */
export interface RetryResult {
  readonly taskId: TaskId
  readonly newTaskId: TaskId | null
  /** Too few credits, or a parent that has failed. */
  readonly errorCode: ProblemCode | null
}

/**
 * Repeats failed tasks for their owners, each once: a failed task stays failed and was free, so
 * each repeat is a new task with a reservation of its own, and costs its owner what the first would
 * have cost, when it completes. Done again with the same tasks, it goes on where it broke off.
 */
export async function retryDeadLetters(
  deps: RetryDeps,
  order: { readonly taskIds: readonly TaskId[]; readonly requestId: string },
): Promise<RetryResult[]> {
  const refused = new Map<TaskId, ProblemCode>()
  let retriedCount = 0
  for (const taskId of order.taskIds) {
    try {
      const task = await retryOne(deps, taskId, order.requestId)
      if (task === undefined) continue
      retriedCount += 1
      deps.events.taskSubmitted(task)
      deps.announcer.balanceChanged(task.userId)
    } catch (error) {
      // Whatever its owner or its parent stands in the way of; anything else is a fault of ours.
      if (!(error instanceof AppError)) throw error
      refused.set(taskId, error.code)
    }
  }
  if (retriedCount > 0) deps.dispatcher.nudge()
  const retries = await findRetries(deps.database, order.taskIds)
  return order.taskIds.map(taskId => {
    const newTaskId = retries.get(taskId) ?? null
    const errorCode = newTaskId === null ? (refused.get(taskId) ?? 'NOT_FOUND') : null
    return { taskId, newTaskId, errorCode }
  })
}

async function retryOne(
  { database, timeoutDefaultMs }: RetryDeps,
  taskId: TaskId,
  requestId: string,
): Promise<Task | undefined> {
  return inTransaction(database, async tx => {
    const retry = await readRetry(tx, { taskId, requestId, timeoutDefaultMs })
    if (retry === undefined) return undefined
    const { userId, creditsCost: amount, step } = retry
    const { task } = await recordTask(tx, retry, ({ taskId: referenceId, deadlineAt }) =>
      reserve(tx, { userId, referenceId, amount, deadlineAt, description: `Again: ${step.name}` }),
    )
    return task
  })
}
