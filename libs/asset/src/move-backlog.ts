import type { Queryable } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'

/** What of publishing, unpublishing and deleting is not done; ages are 0 when nothing is late. */
export interface MoveBacklog {
  /** Moves whose copy is not there yet, and removals whose time has come. */
  readonly moves: number
  readonly oldestMoveSeconds: number
  /** What the edges have not been seen to refuse. */
  readonly revocations: number
  readonly oldestRevocationSeconds: number
}

/** Read once for each sweep: a move or a revocation that is stuck shows here and nowhere else. */
export async function readMoveBacklog(database: Queryable): Promise<MoveBacklog> {
  const { rows } = await database.query<MoveBacklog>(sql`
    WITH late AS (
      SELECT CASE state WHEN 'copying' THEN created_at ELSE delete_source_after END AS since
      FROM asset_moves
      WHERE state = 'copying' OR state = 'switched' AND delete_source_after <= now()
    ), unseen AS (SELECT requested_at AS since FROM asset_revocations WHERE refused_at IS NULL)
    SELECT
      (SELECT count(*) FROM late) AS moves,
      (SELECT coalesce(extract(epoch FROM now() - min(since)), 0)::float8 FROM late)
        AS "oldestMoveSeconds",
      (SELECT count(*) FROM unseen) AS revocations,
      (SELECT coalesce(extract(epoch FROM now() - min(since)), 0)::float8 FROM unseen)
        AS "oldestRevocationSeconds"
  `)
  const [backlog] = rows
  if (backlog === undefined) throw new Error('a count has one row')
  return backlog
}
