import type { Database } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import type { Provider } from './providers.ts'

/** What was learnt about a provider's key; it counts for the key that was asked with, alone. */
export interface Finding {
  readonly provider: Pick<Provider, 'id' | 'sealedApiKey'>
  readonly isHealthy: boolean
}

/**
 * Keeps whether the provider accepts our key (V9, V-8). True when that is news. A finding about a
 * key that was replaced in the meantime changes nothing.
 */
export async function recordHealth(
  database: Database,
  { provider, isHealthy }: Finding,
): Promise<boolean> {
  const { rows } = await database.query<{ wasHealthy: boolean }>(sql`
    UPDATE providers SET is_healthy = ${isHealthy}, health_checked_at = now()
    FROM (SELECT id, is_healthy FROM providers WHERE id = ${provider.id} FOR UPDATE) AS before
    WHERE providers.id = before.id AND api_key IS NOT DISTINCT FROM ${provider.sealedApiKey}
    RETURNING before.is_healthy AS "wasHealthy"
  `)
  return rows[0] !== undefined && rows[0].wasHealthy !== isHealthy
}

/**
 * Takes the providers whose health nobody has looked at for so long; each is taken by one caller
 * alone, and counts as looked at from then on.
 */
export async function takeDueChecks(
  database: Database,
  { olderThanMs, limit }: { olderThanMs: number; limit: number },
): Promise<string[]> {
  const { rows } = await database.query<{ id: string }>(sql`
    UPDATE providers SET health_checked_at = now()
    WHERE id IN (
      SELECT id FROM providers
      WHERE api_key IS NOT NULL AND (health_checked_at IS NULL
        OR health_checked_at < now() - ${olderThanMs} * interval '1 millisecond')
      ORDER BY health_checked_at NULLS FIRST LIMIT ${limit} FOR UPDATE SKIP LOCKED
    )
    RETURNING id
  `)
  return rows.map(({ id }) => id)
}
