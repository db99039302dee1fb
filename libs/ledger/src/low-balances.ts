import { newId, type UserId } from '@funmagic/contract/ids'
import type { Queryable } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'

export interface LowBalance {
  readonly userId: UserId
  readonly balance: number
  readonly reservedBalance: number
  /** The lowest threshold that the balance is below. */
  readonly threshold: number
}

/**
 * Accounts that have fallen below a threshold since they were last looked at, each once per
 * crossing: who rises above a threshold and falls again is told again. Looks only at accounts with
 * entries of the last `sinceMs`, of which there must be more than the time between two looks.
 */
export async function noteLowBalances(
  database: Queryable,
  options: { readonly thresholds: readonly number[]; readonly sinceMs: number },
): Promise<LowBalance[]> {
  // An id begins with the time, so this is the first that an entry of that time can have.
  const first = `${newId(Date.now() - options.sinceMs).slice(0, 13)}-7000-8000-000000000000`
  const { rows } = await database.query<LowBalance>(sql`
    WITH judged AS (
      SELECT user_id, low_notice AS before,
        (SELECT min(limits) FROM unnest(${[...options.thresholds]}::int[]) limits
          WHERE balance < limits) AS threshold
      FROM credits
      WHERE user_id IN (SELECT user_id FROM credit_transactions WHERE id >= ${first}::uuid)
    ), noted AS (
      UPDATE credits c SET low_notice = judged.threshold FROM judged
      WHERE c.user_id = judged.user_id AND c.low_notice IS DISTINCT FROM judged.threshold
      RETURNING c.user_id, c.balance, c.reserved_balance, judged.threshold, judged.before
    )
    SELECT user_id AS "userId", balance, reserved_balance AS "reservedBalance", threshold
    FROM noted WHERE threshold IS NOT NULL AND (before IS NULL OR threshold < before)
  `)
  return rows
}
