import type { TaskId } from '@funmagic/contract/ids'
import { AppError, type ProblemCode } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import { inTransaction } from '@funmagic/database/transaction'
import { reserve } from '@funmagic/ledger/reservations'
import { findUnretried, readRetry, type DeadLetterFilter } from '@funmagic/task/dead-letters'
import { recordTask } from '@funmagic/task/submission'
import type { Task } from '@funmagic/task/tasks'
import type { SubmissionDeps } from './routes/submit-task.ts'

export interface RetryDeps extends Pick<SubmissionDeps, 'dispatcher' | 'announcer' | 'events'> {
  readonly database: Database
  readonly timeoutDefaultMs: number
}

export interface RetryOrder {
  readonly filter: DeadLetterFilter
  readonly limit: number
  readonly requestId: string
}

export interface RetryReport {
  readonly retried: readonly { readonly taskId: TaskId; readonly newTaskId: TaskId }[]
  /** What could not be repeated, and why: too few credits, or a parent that has failed. */
  readonly skipped: readonly { readonly taskId: TaskId; readonly code: ProblemCode }[]
}

/**
 * Repeats failed tasks for their owners, oldest first and each once: a failed task stays failed and
 * was free, so each repeat is a new task with a reservation of its own, and costs its owner what
 * the first would have cost, when it completes.
 */
export async function retryDeadLetters(deps: RetryDeps, order: RetryOrder): Promise<RetryReport> {
  const retried: RetryReport['retried'][number][] = []
  const skipped: RetryReport['skipped'][number][] = []
  const taskIds = await findUnretried(deps.database, order.filter, { limit: order.limit })
  for (const taskId of taskIds) {
    try {
      const task = await retryOne(deps, taskId, order.requestId)
      if (task === undefined) continue
      retried.push({ taskId, newTaskId: task.id })
      deps.events.taskSubmitted(task)
      deps.announcer.balanceChanged(task.userId)
    } catch (error) {
      // Whatever its owner or its parent stands in the way of; anything else is a fault of ours.
      if (!(error instanceof AppError)) throw error
      skipped.push({ taskId, code: error.code })
    }
  }
  if (retried.length > 0) deps.dispatcher.nudge()
  return { retried, skipped }
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
