import assert from 'node:assert/strict'
import { listAssetsOfTasks } from '@funmagic/asset/catalog'
import type { AssetLinks } from '@funmagic/asset/resolve-url'
import type { AssetView } from '@funmagic/contract/asset'
import type { ChildView, TaskView } from '@funmagic/contract/task'
import type { Database } from '@funmagic/database/client'
import type { User } from '@funmagic/session/users'
import { isFinished } from '@funmagic/task/task-state'
import { findChildren, type ChildTask, type Task } from '@funmagic/task/tasks'

/** Shows a user's tasks with their outputs and children: one query each, however many tasks. */
export interface TaskViews {
  viewOf(task: Task, owner: User): Promise<TaskView>
  viewsOf(tasks: readonly Task[], owner: User): Promise<TaskView[]>
}

export function createTaskViews(deps: { database: Database; links: AssetLinks }): TaskViews {
  const { database, links } = deps

  async function viewsOf(tasks: readonly Task[], owner: User): Promise<TaskView[]> {
    const userId = owner.id
    const children = await findChildren(database, { userId, taskIds: tasks.map(task => task.id) })
    const taskIds = tasks.filter(task => task.status === 'completed').map(task => task.id)
    const assets =
      taskIds.length === 0 ? undefined : await listAssetsOfTasks(database, { userId, taskIds })
    const views: TaskView[] = []
    for (const task of tasks) {
      const made = assets?.get(task.id) ?? []
      const outputs = made.length === 0 ? [] : await links.toAssetViews(made, owner)
      views.push(toTaskView(task, outputs, children.get(task.id) ?? []))
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

/** A task that was recorded a moment ago: it has neither outputs nor children to look for. */
export function toNewTaskView(task: Task): TaskView {
  return toTaskView(task, [], [])
}

/** An output that its owner has deleted since is no longer among the assets. */
function toTaskView(task: Task, assets: AssetView[], children: readonly ChildTask[]): TaskView {
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
    waitsForParent: task.waitsForParent && !isFinished(task.status),
    children: children.map(toChildView),
    createdAt: task.createdAt.toISOString(),
    startedAt: task.startedAt?.toISOString() ?? null,
    finishedAt: task.finishedAt?.toISOString() ?? null,
  }
}

function toChildView(child: ChildTask): ChildView {
  return {
    id: child.id,
    stepId: child.stepId,
    status: child.status,
    creditsCost: child.creditsCost,
    startedAt: child.startedAt?.toISOString() ?? null,
    finishedAt: child.finishedAt?.toISOString() ?? null,
  }
}
