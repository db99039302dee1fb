import type { TaskId, UserId } from '@funmagic/contract/ids'
import type { PageOf, PageRequest } from '@funmagic/contract/page'
import type { TaskInput } from '@funmagic/contract/task'
import type { Queryable } from '@funmagic/database/client'
import { sql, type Sql } from '@funmagic/database/sql'
import type { NewTask } from './submission.ts'
import type { ToolStep } from '@funmagic/contract/tool'

/**
 * A failed task, as operators see it for 14 days. It stays failed (T1), and its owner has the
 * credits back; repeating it is a new task of the owner's, paid like any other, that names it.
 */
export interface DeadLetter {
  readonly taskId: TaskId
  readonly userId: UserId
  readonly toolSlug: string
  readonly stepId: string
  readonly code: string
  /** What exactly went wrong, for operators. */
  readonly detail: string | null
  readonly attempt: number
  readonly createdAt: Date
  readonly finishedAt: Date
  readonly retriedByTaskId: TaskId | null
}

export interface DeadLetterFilter {
  readonly code?: string | undefined
  readonly toolSlug?: string | undefined
  readonly userId?: UserId | undefined
  readonly failedFrom?: string | undefined
  readonly failedBefore?: string | undefined
}

/** Why tasks failed: the groups to begin with when many have. */
export interface DeadLetterGroup {
  readonly code: string
  readonly toolSlug: string
  readonly count: number
  readonly retriedCount: number
  readonly oldestAt: Date
  readonly newestAt: Date
}

const keptDays = 14
const groupsMax = 200

/** Dead letters, newest submission first; nextCursor is the id to pass as beforeId. */
export async function listDeadLetters(
  database: Queryable,
  filter: DeadLetterFilter,
  page: PageRequest,
): Promise<PageOf<DeadLetter>> {
  const before = page.beforeId === undefined ? sql`true` : sql`t.id < ${page.beforeId}`
  const { rows } = await database.query<DeadLetter>(sql`
    SELECT t.id AS "taskId", t.user_id AS "userId", t.tool_slug AS "toolSlug",
      t.current_step_id AS "stepId", t.error_code AS code, p.error AS detail, t.attempt,
      t.created_at AS "createdAt", t.finished_at AS "finishedAt", r.id AS "retriedByTaskId"
    FROM tasks t JOIN task_payloads p ON p.task_id = t.id
    LEFT JOIN tasks r ON r.retried_task_id = t.id
    WHERE ${isDeadLetter(filter)} AND ${before}
    ORDER BY t.id DESC LIMIT ${page.limit + 1}
  `)
  const items = rows.slice(0, page.limit)
  return { items, nextCursor: rows.length > page.limit ? (items.at(-1)?.taskId ?? null) : null }
}

/** Dead letters by reason and tool, the most frequent first. */
export async function groupDeadLetters(
  database: Queryable,
  filter: DeadLetterFilter = {},
): Promise<DeadLetterGroup[]> {
  const { rows } = await database.query<DeadLetterGroup>(sql`
    SELECT t.error_code AS code, t.tool_slug AS "toolSlug", count(*) AS count,
      count(r.id) AS "retriedCount", min(t.finished_at) AS "oldestAt",
      max(t.finished_at) AS "newestAt"
    FROM tasks t LEFT JOIN tasks r ON r.retried_task_id = t.id
    WHERE ${isDeadLetter(filter)}
    GROUP BY t.error_code, t.tool_slug ORDER BY count(*) DESC, code, "toolSlug" LIMIT ${groupsMax}
  `)
  return rows
}

/** What the owner of a task can mend alone: its failure tells nothing about us or a provider. */
const ofTheInput = ['PROVIDER_REJECTED', 'INPUT_UNAVAILABLE']

/** Dead letters of so long a time that are not the fault of what was given; repeated ones too. */
export async function countRecentFailures(
  database: Queryable,
  options: { withinMs: number },
): Promise<number> {
  const { rows } = await database.query<{ count: number }>(sql`
    SELECT count(*) AS count FROM tasks
    WHERE status = 'failed' AND error_code <> ALL(${ofTheInput}::text[])
      AND finished_at > now() - ${options.withinMs} * interval '1 millisecond'
  `)
  return rows[0]?.count ?? 0
}

/** Dead letters that nobody has repeated yet, oldest first. */
export async function findUnretried(
  database: Queryable,
  filter: DeadLetterFilter,
  options: { limit: number },
): Promise<TaskId[]> {
  const { rows } = await database.query<{ id: TaskId }>(sql`
    SELECT t.id FROM tasks t
    WHERE ${isDeadLetter(filter)}
      AND NOT EXISTS (SELECT FROM tasks r WHERE r.retried_task_id = t.id)
    ORDER BY t.id LIMIT ${options.limit}
  `)
  return rows.map(({ id }) => id)
}

/**
 * What recordTask needs to repeat the dead letter as it was, with the tool and the step that it had
 * (T7). Locked until the end of the transaction; undefined when it has been repeated already or is
 * none. A second repeat is refused by an index as well.
 */
export async function readRetry(
  tx: Queryable,
  retry: { taskId: TaskId; requestId: string; timeoutDefaultMs: number },
): Promise<NewTask | undefined> {
  interface Row extends Omit<NewTask, 'tool' | 'step' | 'requestId'> {
    readonly toolId: string
    readonly toolSlug: string
    readonly toolVersion: number
    readonly step: ToolStep
    readonly input: TaskInput
    readonly parentTaskId: TaskId
  }
  // Whoever repeats it at the same time is waited for here, and seen by the next statement.
  await tx.query(sql`SELECT FROM tasks WHERE id = ${retry.taskId} FOR NO KEY UPDATE`)
  const { rows } = await tx.query<Row>(sql`
    SELECT t.user_id AS "userId", t.tool_id AS "toolId", t.tool_slug AS "toolSlug",
      t.tool_version AS "toolVersion", t.step, t.credits_cost AS "creditsCost", p.input,
      t.parent_task_id AS "parentTaskId", t.inherits_picture AS "inheritsPicture",
      coalesce(t.timeout_ms, ${retry.timeoutDefaultMs}) AS "timeoutMs"
    FROM tasks t JOIN task_payloads p ON p.task_id = t.id
    WHERE t.id = ${retry.taskId} AND ${isDeadLetter({})}
      AND NOT EXISTS (SELECT FROM tasks r WHERE r.retried_task_id = t.id)
  `)
  if (!rows[0]) return undefined
  const { toolId, toolSlug, toolVersion, parentTaskId, ...row } = rows[0]
  return {
    ...row,
    // No parent is NULL in the database.
    parentTaskId: parentTaskId ?? undefined,
    tool: { id: toolId, slug: toolSlug, version: toolVersion },
    requestId: retry.requestId,
    retriedTaskId: retry.taskId,
  }
}

/** The tasks that repeat these, by the id of what they repeat. */
export async function findRetries(
  database: Queryable,
  taskIds: readonly TaskId[],
): Promise<Map<TaskId, TaskId>> {
  const { rows } = await database.query<{ taskId: TaskId; retriedByTaskId: TaskId }>(sql`
    SELECT retried_task_id AS "taskId", id AS "retriedByTaskId" FROM tasks
    WHERE retried_task_id = ANY(${[...taskIds]}::uuid[])
  `)
  return new Map(rows.map(row => [row.taskId, row.retriedByTaskId]))
}

function isDeadLetter(filter: DeadLetterFilter): Sql {
  const { code, toolSlug, userId, failedFrom, failedBefore } = filter
  return sql`t.status = 'failed' AND t.finished_at > now() - ${keptDays} * interval '1 day'
    AND ${code === undefined ? sql`true` : sql`t.error_code = ${code}`}
    AND ${toolSlug === undefined ? sql`true` : sql`t.tool_slug = ${toolSlug}`}
    AND ${userId === undefined ? sql`true` : sql`t.user_id = ${userId}`}
    AND ${failedFrom === undefined ? sql`true` : sql`t.finished_at >= ${failedFrom}`}
    AND ${failedBefore === undefined ? sql`true` : sql`t.finished_at < ${failedBefore}`}`
}
