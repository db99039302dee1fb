import { sql, type Sql } from '@funmagic/database/sql'

/**
 * The tasks as the ledger's proof sees them, for findViolations of @funmagic/ledger/proof: which
 * reservation each has, at what price, and whether it is open, completed, or ended otherwise.
 */
export const taskSettlements: Sql = sql`
  SELECT id AS task_id, reservation_id, credits_cost,
    status IN ('pending', 'processing') AS is_open, status = 'completed' AS is_completed
  FROM tasks`
