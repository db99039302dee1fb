import { Page, readPage } from '@funmagic/contract/page'
import { problems } from '@funmagic/contract/problem'
import { ListTasksQuery, TaskView } from '@funmagic/contract/task'
import type { Database } from '@funmagic/database/client'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import { listTasks as listTasksOf } from '@funmagic/task/tasks'
import type { TaskViews } from '../task-views.ts'

interface ListTasksDeps {
  readonly database: Database
  readonly taskViews: TaskViews
}

export const listTasks: RoutePlugin<ListTasksDeps> = async (app, { database, taskViews }) => {
  app.get(
    '/api/tasks',
    {
      schema: {
        summary: 'The own tasks, newest first',
        querystring: ListTasksQuery,
        response: {
          200: Page(TaskView),
          ...problems('INVALID_CURSOR', 'VALIDATION_FAILED', 'UNAUTHORIZED'),
        },
      },
    },
    async request => {
      const user = userOf(request)
      const { status, toolSlug, parentTaskId } = request.query
      const filter = { userId: user.id, status, toolSlug, parentTaskId }
      const page = await listTasksOf(database, filter, readPage(request.query))
      return { items: await taskViews.viewsOf(page.items, user), nextCursor: page.nextCursor }
    },
  )
}
