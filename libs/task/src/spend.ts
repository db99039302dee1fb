import type { Queryable } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'

/** What a provider has taken since midnight of UTC, in millionths of a dollar (C7). */
export async function readSpend(database: Queryable, providerId: string): Promise<number> {
  const { rows } = await database.query<{ spent: number }>(sql`
    SELECT coalesce(sum(cost_micro_usd), 0)::int8 AS spent FROM provider_calls
    WHERE provider_id = ${providerId}::uuid AND cost_micro_usd > 0
      AND created_at >= date_trunc('day', now(), 'UTC')
  `)
  return rows[0]?.spent ?? 0
}

/** Of each provider. */
export type SpendOf = (providerId: string) => Promise<number>

/** Summing up a day takes a while, and a budget need not be kept to the second. */
export const spendLifeMs = 5_000
