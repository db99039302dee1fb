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
