import { Id } from '@funmagic/contract/ids'
import { AppError, problems } from '@funmagic/contract/problem'
import { TaskView } from '@funmagic/contract/task'
import type { Database } from '@funmagic/database/client'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import { findTask } from '@funmagic/task/tasks'
import Type from 'typebox'
import type { TaskViews } from '../task-views.ts'

interface GetTaskDeps {
  readonly database: Database
  readonly taskViews: TaskViews
}

export const getTask: RoutePlugin<GetTaskDeps> = async (app, { database, taskViews }) => {
  app.get(
    '/api/tasks/:taskId',
    {
      schema: {
        summary: 'One own task, with its outputs',
        params: Type.Object({ taskId: Id }),
        response: {
          200: Type.Object({ task: TaskView }),
          ...problems('INVALID_ID', 'UNAUTHORIZED', 'NOT_FOUND'),
        },
      },
    },
    async request => {
      const user = userOf(request)
      const task = await findTask(database, { userId: user.id, taskId: request.params.taskId })
      if (task === undefined) throw new AppError('NOT_FOUND')
      return { task: await taskViews.viewOf(task, user) }
    },
  )
}
