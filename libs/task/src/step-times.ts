import type { Queryable } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'

/** How long people waited for a step lately, from submitting or from the end of the step before. */
export interface StepTimes {
  readonly p50Seconds: number
  readonly p90Seconds: number
  /** Completed tasks that were counted. */
  readonly basedOn: number
}

const recentMax = 2_000
const basedOnMin = 5

/**
 * From the newest 2 000 tasks of the last day, whatever they ran: a bounded walk along the primary
 * key. Undefined when fewer than five of them completed this step: that would be a guess.
 */
export async function findStepTimes(
  database: Queryable,
  step: { toolId: string; stepId: string },
): Promise<StepTimes | undefined> {
  const { rows } = await database.query<StepTimes>(sql`
    WITH recent AS (
      SELECT tool_id, current_step_id, status, created_at, finished_at, parent_task_id
      FROM tasks ORDER BY id DESC LIMIT ${recentMax}
    ), waits AS (
      SELECT extract(epoch FROM r.finished_at - greatest(r.created_at, p.finished_at)) AS seconds
      FROM recent r LEFT JOIN tasks p ON p.id = r.parent_task_id
      WHERE r.tool_id = ${step.toolId} AND r.current_step_id = ${step.stepId}
        AND r.status = 'completed' AND r.created_at > now() - interval '1 day'
    )
    SELECT count(*) AS "basedOn",
      round(percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds)::numeric, 1)::float8
        AS "p50Seconds",
      round(percentile_cont(0.9) WITHIN GROUP (ORDER BY seconds)::numeric, 1)::float8
        AS "p90Seconds"
    FROM waits
  `)
  const times = rows[0]
  return times !== undefined && times.basedOn >= basedOnMin ? times : undefined
}
