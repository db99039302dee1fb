import assert from 'node:assert/strict'
import type { TaskId, UserId } from '@funmagic/contract/ids'
import type { PageOf, PageRequest } from '@funmagic/contract/page'
import type { TaskInput, TaskStatus } from '@funmagic/contract/task'
import type { Database, Queryable } from '@funmagic/database/client'
import { prepared, sql } from '@funmagic/database/sql'
import { toTask, type Task, type TaskRow } from './task-rows.ts'

export type { Task, TaskOutput } from './task-rows.ts'

export interface TaskFilter {
  readonly userId: UserId
  readonly status?: TaskStatus | undefined
  readonly toolSlug?: string | undefined
  readonly parentTaskId?: TaskId | undefined
}

const findTasksMax = 500
const childrenMax = 20
const include = { payload: { select: { output: true } } } as const

/** The task, if it is the user's: somebody else's answers like one that is not there. */
export async function findTask(
  database: Database,
  wanted: { userId: UserId; taskId: TaskId },
): Promise<Task | undefined> {
  const row = await database.prisma.task.findFirst({
    where: { id: wanted.taskId, userId: wanted.userId },
    include,
  })
  return row === null ? undefined : fromPrisma(row)
}

/** The tasks of these ids, of any user, in no order; at most 500 ids in one call. */
export async function findTasks(database: Database, taskIds: readonly TaskId[]): Promise<Task[]> {
  assert(taskIds.length <= findTasksMax, `at most ${findTasksMax} tasks at once`)
  const rows = await database.prisma.task.findMany({ where: { id: { in: [...taskIds] } }, include })
  return rows.map(fromPrisma)
}

/** What the task was given. Undefined when there is no such task. */
export async function findInput(
  database: Database,
  taskId: TaskId,
): Promise<TaskInput | undefined> {
  const row = await database.prisma.taskPayload.findUnique({
    where: { taskId },
    select: { input: true },
  })
  // Written by recordTask, from a TaskInput.
  return row === null ? undefined : (row.input as TaskInput)
}

/** A user's tasks, newest first; nextCursor is the id to pass as beforeId. */
export async function listTasks(
  database: Database,
  filter: TaskFilter,
  page: PageRequest,
): Promise<PageOf<Task>> {
  const { userId, status, toolSlug, parentTaskId } = filter
  const rows = await database.prisma.task.findMany({
    where: {
      userId,
      ...(status === undefined ? {} : { status }),
      ...(toolSlug === undefined ? {} : { toolSlug }),
      ...(parentTaskId === undefined ? {} : { parentTaskId }),
      ...(page.beforeId === undefined ? {} : { id: { lt: page.beforeId } }),
    },
    orderBy: { id: 'desc' },
    take: page.limit + 1,
    include,
  })
  const items = rows.slice(0, page.limit).map(fromPrisma)
  return { items, nextCursor: rows.length > page.limit ? (items.at(-1)?.id ?? null) : null }
}

/** A task as its parent shows it. */
export interface ChildTask extends Pick<
  Task,
  'id' | 'status' | 'creditsCost' | 'startedAt' | 'finishedAt'
> {
  readonly parentTaskId: TaskId
  readonly stepId: string
}

/** The newest children of each task, at most 20 of each, in the order of their submission. */
export async function findChildren(
  database: Queryable,
  parents: { userId: UserId; taskIds: readonly TaskId[] },
): Promise<ReadonlyMap<TaskId, readonly ChildTask[]>> {
  assert(parents.taskIds.length <= findTasksMax, `at most ${findTasksMax} tasks at once`)
  const { rows } = await database.query<ChildTask>(
    prepared(sql`
    SELECT * FROM (
      SELECT id, parent_task_id AS "parentTaskId", current_step_id AS "stepId", status,
        credits_cost AS "creditsCost", started_at AS "startedAt", finished_at AS "finishedAt",
        row_number() OVER (PARTITION BY parent_task_id ORDER BY id DESC) AS place
      FROM tasks
      WHERE parent_task_id = ANY (${[...parents.taskIds]}::uuid[]) AND user_id = ${parents.userId}
    ) children WHERE place <= ${childrenMax} ORDER BY id
  `),
  )
  return Map.groupBy(rows, child => child.parentTaskId)
}

type PrismaTask = TaskRow & { readonly payload: { readonly output: unknown } | null }

/** Column by column, so that what is not part of a Task does not leave the library. */
function fromPrisma({ payload, ...row }: PrismaTask): Task {
  return toTask(
    {
      id: row.id,
      userId: row.userId,
      toolId: row.toolId,
      toolSlug: row.toolSlug,
      toolVersion: row.toolVersion,
      step: row.step,
      status: row.status,
      creditsCost: row.creditsCost,
      progress: row.progress,
      attempt: row.attempt,
      retries: row.retries,
      rateLimitAttempts: row.rateLimitAttempts,
      errorCode: row.errorCode,
      errorMessage: row.errorMessage,
      parentTaskId: row.parentTaskId,
      waitsForParent: row.waitsForParent,
      inheritsPicture: row.inheritsPicture,
      retriedTaskId: row.retriedTaskId,
      reservationId: row.reservationId,
      requestId: row.requestId,
      deadlineAt: row.deadlineAt,
      createdAt: row.createdAt,
      startedAt: row.startedAt,
      finishedAt: row.finishedAt,
    },
    payload?.output,
  )
}
