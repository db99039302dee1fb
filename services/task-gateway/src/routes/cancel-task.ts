import { Id, type TaskId, type UserId } from '@funmagic/contract/ids'
import { AppError, problems } from '@funmagic/contract/problem'
import { TaskView } from '@funmagic/contract/task'
import type { Database } from '@funmagic/database/client'
import { inTransaction } from '@funmagic/database/transaction'
import { release } from '@funmagic/ledger/reservations'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import { cancelTask as endTask, type FinishedTask } from '@funmagic/task/lifecycle'
import { findTask, type Task } from '@funmagic/task/tasks'
import Type from 'typebox'
import type { Announcer } from '../announcer.ts'
import type { Events } from '../events.ts'
import type { TaskViews } from '../task-views.ts'

interface CancelTaskDeps {
  readonly database: Database
  readonly taskViews: TaskViews
  readonly announcer: Announcer
  readonly events: Events
}

/** Cancels a task that has not started; its credits return in the same commit (T9, M6). */
export const cancelTask: RoutePlugin<CancelTaskDeps> = async (app, deps) => {
  app.post(
    '/api/tasks/:taskId/cancel',
    {
      schema: {
        summary: 'Cancel a task that has not started; a second time changes nothing',
        params: Type.Object({ taskId: Id }),
        response: {
          200: Type.Object({ task: TaskView }),
          ...problems('INVALID_ID', 'UNAUTHORIZED', 'NOT_FOUND', 'CONFLICT', 'TASK_FINISHED'),
        },
      },
    },
    async request => {
      const user = userOf(request)
      const wanted = { userId: user.id, taskId: request.params.taskId }

      const canceled = await cancelAndRelease(deps.database, wanted)
      if (canceled !== undefined) {
        deps.events.taskCanceled(canceled, request.id)
        deps.announcer.taskCanceled(wanted)
      }

      const task = await findTask(deps.database, wanted)
      if (task === undefined) throw new AppError('NOT_FOUND')
      requireCanceled(task)
      return { task: await deps.taskViews.viewOf(task, user) }
    },
  )
}

async function cancelAndRelease(
  database: Database,
  wanted: { userId: UserId; taskId: TaskId },
): Promise<FinishedTask | undefined> {
  return inTransaction(database, async tx => {
    const task = await endTask(tx, { ...wanted, whileProcessing: false })
    if (task !== undefined) await release(tx, task.reservationId)
    return task
  })
}

/** Tells a caller who came too late how far the task has got. */
function requireCanceled({ status }: Task): void {
  switch (status) {
    case 'canceled':
      return
    case 'completed':
    case 'failed':
      throw new AppError('TASK_FINISHED', { details: { status } })
    // Pending only when the task was handed back in between: the next try may cancel it.
    case 'pending':
    case 'processing': {
      const suggestion = 'The task has started. Only a task that is still pending can be canceled.'
      throw new AppError('CONFLICT', { details: { status, suggestion } })
    }
  }
}
