import {
  AdminTaskDetail,
  AdminTaskView,
  CancelAdminTask,
  ListAdminTasksQuery,
} from '@funmagic/contract/admin-task'
import { Id } from '@funmagic/contract/ids'
import { Page, readPage } from '@funmagic/contract/page'
import { AppError, problems } from '@funmagic/contract/problem'
import { toMicroUsd, toUsd } from '@funmagic/provider/budget'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { cancelTask as endTask, type EndedTask } from '@funmagic/task/lifecycle'
import { inspectTask, listAllTasks, readAnyTask } from '@funmagic/task/task-inspection'
import type { Task } from '@funmagic/task/tasks'
import Type from 'typebox'
import { changeAudited, type AdminDeps } from '../../admin/changes.ts'
import { toAdminTask } from '../../admin/views.ts'
import { announceEnd, releaseAll } from '../../ended-chains.ts'

const TaskParams = Type.Object({ taskId: Id })
const readProblems = problems('INVALID_ID', 'UNAUTHORIZED', 'FORBIDDEN', 'NOT_FOUND')

export const listTasks: RoutePlugin<AdminDeps> = async (app, { database }) => {
  app.get(
    '/api/admin/tasks',
    {
      schema: {
        summary: 'The tasks of everybody, newest first',
        querystring: ListAdminTasksQuery,
        response: {
          200: Page(AdminTaskView),
          ...problems('INVALID_CURSOR', 'VALIDATION_FAILED', 'UNAUTHORIZED', 'FORBIDDEN'),
        },
      },
    },
    async ({ query }) => {
      const page = await listAllTasks(database, query, readPage(query))
      return { ...page, items: page.items.map(toAdminTask) }
    },
  )
}

export const getTask: RoutePlugin<AdminDeps> = async (app, { database }) => {
  app.get(
    '/api/admin/tasks/:taskId',
    {
      schema: {
        summary: 'What happened to a task; its prompt and pictures are not shown',
        params: TaskParams,
        response: { 200: AdminTaskDetail, ...readProblems },
      },
    },
    async request => {
      const { taskId } = request.params
      const task = await readAnyTask(database, taskId)
      const inspection = await inspectTask(database, taskId)
      return { task: toAdminTask(task), margin: marginOf(task, inspection.calls), ...inspection }
    },
  )
}

export const cancelTask: RoutePlugin<AdminDeps> = async (app, deps) => {
  app.post(
    '/api/admin/tasks/:taskId/cancel',
    {
      schema: {
        summary: 'Cancel anybody’s task, with a reason; its credits return',
        params: TaskParams,
        body: CancelAdminTask,
        response: {
          200: AdminTaskView,
          ...readProblems,
          ...problems('INVALID_ID', 'VALIDATION_FAILED', 'TASK_FINISHED'),
        },
      },
    },
    async request => {
      const { taskId } = request.params
      const { reason } = request.body
      const before = await readAnyTask(deps.database, taskId)
      const { userId } = before
      const change = { action: 'task.canceled', subjectType: 'task', request, reason } as const
      let ended: EndedTask | undefined
      await changeAudited(deps, change, async tx => {
        ended = await endTask(tx, { taskId, userId, whileProcessing: true })
        if (ended === undefined) throw tooLate(await readAnyTask(tx, taskId))
        await releaseAll(tx, ended)
        return {
          subjectId: taskId,
          before: { status: before.status },
          after: { status: 'canceled' },
        }
      })
      if (ended !== undefined) {
        deps.events.taskCanceled(ended, request.id)
        announceEnd(deps, ended, () => deps.announcer.taskCanceled({ taskId, userId }))
      }
      return toAdminTask(await readAnyTask(deps.database, taskId))
    },
  )
}

/** Both sides as they are: a credit has no one price in dollars (packages, bonuses, grants). */
function marginOf(task: Task, calls: AdminTaskDetail['calls']): AdminTaskDetail['margin'] {
  const micros = calls.reduce((sum, { costUsd }) => sum + toMicroUsd(costUsd), 0)
  const creditsCharged = task.status === 'completed' ? task.creditsCost : 0
  return { creditsCharged, providerCostUsd: toUsd(micros) }
}

function tooLate({ status }: Task): AppError {
  return new AppError('TASK_FINISHED', { details: { status } })
}
