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

const rememberedMs = 5_000
const rememberedMax = 1_000

export type SpendOf = (providerId: string) => Promise<number>

/** readSpend, one look at Postgres for a provider in five seconds, however many ask. */
export function rememberSpend(database: Queryable, now = () => performance.now()): SpendOf {
  const known = new Map<string, { readAtMs: number; spent: Promise<number> }>()
  return providerId => {
    const earlier = known.get(providerId)
    if (earlier !== undefined && now() - earlier.readAtMs < rememberedMs) return earlier.spent
    if (known.size >= rememberedMax) known.clear()
    const spent = readSpend(database, providerId)
    known.set(providerId, { readAtMs: now(), spent })
    // Whoever asked is told; the next one asks Postgres again.
    spent.catch(() => known.delete(providerId))
    return spent
  }
}
