import type { AdminTaskDetail, ListAdminTasksQuery } from '@funmagic/contract/admin-task'
import type { TaskId } from '@funmagic/contract/ids'
import type { PageOf, PageRequest } from '@funmagic/contract/page'
import { AppError } from '@funmagic/contract/problem'
import type { Database, Queryable } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { taskColumns, toTask, type Task, type TaskRow } from './task-rows.ts'

/** For operators: the tasks of everybody, newest first. */
export async function listAllTasks(
  database: Queryable,
  filter: Omit<ListAdminTasksQuery, 'limit' | 'cursor'>,
  page: PageRequest,
): Promise<PageOf<Task>> {
  const { userId = null, toolSlug = null, status = null, errorCode = null } = filter
  const { createdFrom = null, createdBefore = null } = filter
  const beforeId = page.beforeId ?? null
  const { rows } = await database.query<TaskRow>(sql`
    SELECT ${taskColumns} FROM tasks t
    WHERE (${userId}::uuid IS NULL OR user_id = ${userId}::uuid)
      AND (${toolSlug}::text IS NULL OR tool_slug = ${toolSlug})
      AND (${status}::task_status IS NULL OR status = ${status}::task_status)
      AND (${errorCode}::text IS NULL OR error_code = ${errorCode})
      AND (${createdFrom}::timestamptz IS NULL OR created_at >= ${createdFrom}::timestamptz)
      AND (${createdBefore}::timestamptz IS NULL OR created_at < ${createdBefore}::timestamptz)
      AND (${beforeId}::uuid IS NULL OR id < ${beforeId}::uuid)
    ORDER BY id DESC LIMIT ${page.limit + 1}
  `)
  const items = rows.slice(0, page.limit).map(row => toTask(row, null))
  return { items, nextCursor: rows.length > page.limit ? (items.at(-1)?.id ?? null) : null }
}

/** The task of anybody; throws NOT_FOUND. */
export async function readAnyTask(database: Queryable, taskId: TaskId): Promise<Task> {
  const { rows } = await database.query<TaskRow>(
    sql`SELECT ${taskColumns} FROM tasks t WHERE id = ${taskId}::uuid`,
  )
  if (rows[0] === undefined) throw new AppError('NOT_FOUND')
  return toTask(rows[0], null)
}

const callsMax = 200

/** What happened to the task: its steps, its calls, and what was exchanged with the provider. */
export async function inspectTask(
  database: Database,
  taskId: TaskId,
): Promise<Omit<AdminTaskDetail, 'task' | 'margin'>> {
  const where = { taskId }
  const exchanged = { providerRequest: true, providerResponse: true, providerMeta: true } as const
  const [steps, calls, payload] = await Promise.all([
    database.prisma.taskStep.findMany({ where }),
    database.prisma.providerCall.findMany({ where, orderBy: { id: 'asc' }, take: callsMax }),
    database.prisma.taskPayload.findUnique({ where, select: exchanged }),
  ])
  return {
    steps: steps.map(({ stepId, status, startedAt, completedAt }) => ({
      stepId,
      status,
      startedAt: startedAt?.toISOString() ?? null,
      completedAt: completedAt?.toISOString() ?? null,
    })),
    calls: calls.map(call => ({
      id: call.id,
      stepId: call.stepId,
      attempt: call.attempt,
      provider: call.provider,
      providerId: call.providerId,
      model: call.model,
      costUsd: call.costMicroUsd / 1_000_000,
      state: call.state,
      providerRequestId: call.providerRequestId,
      errorKind: call.errorKind,
      createdAt: call.createdAt.toISOString(),
      updatedAt: call.updatedAt.toISOString(),
    })),
    providerRequest: payload?.providerRequest ?? null,
    providerResponse: payload?.providerResponse ?? null,
    providerMeta: payload?.providerMeta ?? null,
  }
}
