import type { TaskId, UserId } from '@funmagic/contract/ids'
import type { Queryable } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'

/** What something was made with, for others to make their own of it. */
export interface Recipe {
  readonly toolSlug: string
  readonly stepId: string
  readonly prompt: string | null
}

/** The recipe of a task, if it is the user's. */
export async function findRecipe(
  database: Queryable,
  wanted: { userId: UserId; taskId: TaskId },
): Promise<Recipe | undefined> {
  const { rows } = await database.query<Recipe>(sql`
    SELECT t.tool_slug AS "toolSlug", t.current_step_id AS "stepId", p.input->>'prompt' AS prompt
    FROM tasks t LEFT JOIN task_payloads p ON p.task_id = t.id
    WHERE t.id = ${wanted.taskId} AND t.user_id = ${wanted.userId}
  `)
  return rows[0]
}

/** The prompts of the user's tasks among these; one without a prompt is left out. */
export async function findPrompts(
  database: Queryable,
  wanted: { userId: UserId; taskIds: readonly TaskId[] },
): Promise<Map<TaskId, string>> {
  const { rows } = await database.query<{ id: TaskId; prompt: string }>(sql`
    SELECT t.id, p.input->>'prompt' AS prompt
    FROM tasks t JOIN task_payloads p ON p.task_id = t.id
    WHERE t.id = ANY(${wanted.taskIds}::uuid[]) AND t.user_id = ${wanted.userId}
      AND p.input->>'prompt' IS NOT NULL
  `)
  return new Map(rows.map(({ id, prompt }) => [id, prompt]))
}
