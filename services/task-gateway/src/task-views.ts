import assert from 'node:assert/strict'
import { listAssetsOfTasks } from '@funmagic/asset/catalog'
import type { AssetLinks } from '@funmagic/asset/resolve-url'
import type { AssetView } from '@funmagic/contract/asset'
import type { TaskView } from '@funmagic/contract/task'
import type { Database } from '@funmagic/database/client'
import type { User } from '@funmagic/session/users'
import type { Task } from '@funmagic/task/tasks'

/** Shows a user's tasks with their outputs: one query for the assets, however many tasks. */
export interface TaskViews {
  viewOf(task: Task, owner: User): Promise<TaskView>
  viewsOf(tasks: readonly Task[], owner: User): Promise<TaskView[]>
}

export function createTaskViews(deps: { database: Database; links: AssetLinks }): TaskViews {
  const { database, links } = deps

  async function viewsOf(tasks: readonly Task[], owner: User): Promise<TaskView[]> {
    const taskIds = tasks.filter(task => task.status === 'completed').map(task => task.id)
    if (taskIds.length === 0) return tasks.map(task => toTaskView(task, []))
    const assets = await listAssetsOfTasks(database, { userId: owner.id, taskIds })
    const views: TaskView[] = []
    for (const task of tasks) {
      const outputs = await links.toAssetViews(assets.get(task.id) ?? [], owner)
      views.push(toTaskView(task, outputs))
    }
    return views
  }

  return {
    viewsOf,
    viewOf: async (task, owner) => {
      const [view] = await viewsOf([task], owner)
      assert(view !== undefined, 'one task has one view')
      return view
    },
  }
}

/** An output that its owner has deleted since is no longer among the assets. */
function toTaskView(task: Task, assets: AssetView[]): TaskView {
  return {
    id: task.id,
    toolSlug: task.toolSlug,
    stepId: task.step.id,
    status: task.status,
    creditsCost: task.creditsCost,
    progress: task.progress,
    error: task.error,
    output: task.status === 'completed' ? { assets } : null,
    parentTaskId: task.parentTaskId,
    createdAt: task.createdAt.toISOString(),
    startedAt: task.startedAt?.toISOString() ?? null,
    finishedAt: task.finishedAt?.toISOString() ?? null,
  }
}
