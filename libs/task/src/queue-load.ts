import type { UserId } from '@funmagic/contract/ids'
import type { Queryable } from '@funmagic/database/client'
import { prepared, sql } from '@funmagic/database/sql'

/** How much waits for a worker, and since when, as Postgres knows it. */
export interface QueueLoad {
  /** Tasks that could run and have not been claimed; counted to `countMax` only. */
  readonly waiting: number
  /** How long ago the oldest of them became ready to run, by the clock of the database. */
  readonly oldestWaitMs: number
}

const isReady = sql`status = 'pending' AND NOT waits_for_parent AND ready_at <= now()`

/** Cheap at any length of the queue: it reads one end of an index, and `countMax` entries. */
export async function readQueueLoad(
  database: Queryable,
  options: { countMax: number },
): Promise<QueueLoad> {
  const { rows } = await database.query<QueueLoad>(sql`
    SELECT
      (SELECT count(*) FROM (SELECT FROM tasks WHERE ${isReady} LIMIT ${options.countMax}) ready)
        AS waiting,
      coalesce(extract(epoch FROM now()
        - (SELECT min(ready_at) FROM tasks WHERE ${isReady})) * 1000, 0)::float8 AS "oldestWaitMs"
  `)
  return rows[0] ?? { waiting: 0, oldestWaitMs: 0 }
}

/** The user's tasks that have not ended, counted to `countMax` only. */
export async function countOpenOf(
  database: Queryable,
  options: { userId: UserId; countMax: number },
): Promise<number> {
  const { rows } = await database.query<{ open: number }>(
    prepared(sql`
    SELECT count(*) AS open FROM (
      SELECT FROM tasks
      WHERE user_id = ${options.userId} AND status IN ('pending', 'processing')
      LIMIT ${options.countMax}
    ) open
  `),
  )
  return rows[0]?.open ?? 0
}

export interface ToolLoad {
  readonly toolSlug: string
  readonly pending: number
  readonly processing: number
}

/** Open tasks by tool, those that wait for a parent included. */
export async function countOpenByTool(database: Queryable): Promise<ToolLoad[]> {
  const { rows } = await database.query<ToolLoad>(sql`
    SELECT tool_slug AS "toolSlug", count(*) FILTER (WHERE status = 'pending') AS pending,
      count(*) FILTER (WHERE status = 'processing') AS processing
    FROM tasks WHERE status IN ('pending', 'processing') GROUP BY tool_slug
  `)
  return rows
}
