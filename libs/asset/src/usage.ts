import assert from 'node:assert/strict'
import type { UserId } from '@funmagic/contract/ids'
import type { Queryable } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'

// One row per user says what is kept and what open tickets promise (reliability S10). Triggers
// keep it in the same statements as the rows that it counts, so it costs the same for a user with
// a hundred thousand assets as for one with none.

export interface StorageUsage {
  /** Sizes of all assets that are not deleted. */
  readonly keptBytes: number
  /** Sizes that open tickets have been promised. */
  readonly promisedBytes: number
  readonly openTickets: number
}

export async function readUsage(database: Queryable, userId: UserId): Promise<StorageUsage> {
  const { rows } = await database.query<StorageUsage>(sql`
    SELECT kept_bytes AS "keptBytes", promised_bytes AS "promisedBytes",
      open_tickets AS "openTickets"
    FROM asset_usage WHERE user_id = ${userId}
  `)
  return rows[0] ?? { keptBytes: 0, promisedBytes: 0, openTickets: 0 }
}

/** Holds up whatever else would change the user's usage, until the transaction ends. */
export async function lockUsage(tx: Transaction, userId: UserId): Promise<StorageUsage> {
  await tx.query(sql`
    INSERT INTO asset_usage (user_id) VALUES (${userId}) ON CONFLICT DO NOTHING
  `)
  const { rows } = await tx.query<StorageUsage>(sql`
    SELECT kept_bytes AS "keptBytes", promised_bytes AS "promisedBytes",
      open_tickets AS "openTickets"
    FROM asset_usage WHERE user_id = ${userId} FOR UPDATE
  `)
  const [usage] = rows
  assert(usage, 'the row is there')
  return usage
}

/** The users whose row is not what their assets and tickets add up to: there are none. */
export async function findUsageDrift(
  database: Queryable,
  limits: { usersMax: number },
): Promise<{ userId: UserId }[]> {
  const { rows } = await database.query<{ userId: UserId }>(sql`
    SELECT coalesce(usage.user_id, counted.user_id) AS "userId"
    FROM asset_usage usage FULL JOIN (
      SELECT user_id, sum(kept) AS kept, sum(promised) AS promised, sum(tickets) AS tickets FROM (
        SELECT user_id, size AS kept, 0 AS promised, 0 AS tickets
        FROM assets WHERE deleted_at IS NULL AND purpose = 'user'
        UNION ALL SELECT user_id, 0, size, 1 FROM uploads
        WHERE state = 'pending' AND purpose = 'user') parts
      GROUP BY user_id
    ) counted ON counted.user_id = usage.user_id
    WHERE (coalesce(kept_bytes, 0), coalesce(promised_bytes, 0), coalesce(open_tickets, 0))
      IS DISTINCT FROM (coalesce(kept, 0), coalesce(promised, 0), coalesce(tickets, 0))
    LIMIT ${limits.usersMax}
  `)
  return rows
}
