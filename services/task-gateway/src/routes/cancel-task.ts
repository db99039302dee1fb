import { Id } from '@funmagic/contract/ids'
import { AppError, problems } from '@funmagic/contract/problem'
import { TaskView } from '@funmagic/contract/task'
import type { Database } from '@funmagic/database/client'
import { inTransaction } from '@funmagic/database/transaction'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import { cancelTask as endTask } from '@funmagic/task/lifecycle'
import { findTask } from '@funmagic/task/tasks'
import Type from 'typebox'
import type { Announcer } from '../announcer.ts'
import { announceEnd, releaseAll } from '../ended-chains.ts'
import type { Events } from '../events.ts'
import type { TaskViews } from '../task-views.ts'

interface CancelTaskDeps {
  readonly database: Database
  readonly taskViews: TaskViews
  readonly announcer: Announcer
  readonly events: Events
}

/**
 * Cancels a task, whether or not it has started, with the steps that wait for it; all their credits
 * return in the same commit (C5, T9, T15). The workers tell the provider (forward-cancels.ts), and
 * an answer that comes all the same is dropped, because the claim is over.
 */
export const cancelTask: RoutePlugin<CancelTaskDeps> = async (app, deps) => {
  app.post(
    '/api/tasks/:taskId/cancel',
    {
      schema: {
        summary: 'Cancel a task; it costs nothing, and a second time changes nothing',
        params: Type.Object({ taskId: Id }),
        response: {
          200: Type.Object({ task: TaskView }),
          ...problems('INVALID_ID', 'UNAUTHORIZED', 'NOT_FOUND', 'TASK_FINISHED'),
        },
      },
    },
    async request => {
      const user = userOf(request)
      const wanted = { userId: user.id, taskId: request.params.taskId }

      const canceled = await inTransaction(deps.database, async tx => {
        const task = await endTask(tx, { ...wanted, whileProcessing: true })
        if (task !== undefined) await releaseAll(tx, task)
        return task
      })
      if (canceled !== undefined) {
        deps.events.taskCanceled(canceled, request.id)
        announceEnd(deps, canceled, () => deps.announcer.taskCanceled(wanted))
      }

      const task = await findTask(deps.database, wanted)
      if (task === undefined) throw new AppError('NOT_FOUND')
      if (task.status !== 'canceled') {
        throw new AppError('TASK_FINISHED', { details: { status: task.status } })
      }
      return { task: await deps.taskViews.viewOf(task, user) }
    },
  )
}
