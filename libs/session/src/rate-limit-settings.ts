import { newId } from '@funmagic/contract/ids'
import { rateLimitDefaults } from '@funmagic/contract/rate-limit'
import type { Queryable } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'

/** Writes the limits of requirement S9 where no limits are stored yet; an operator's stay. */
export async function saveRateLimitDefaults(database: Queryable): Promise<void> {
  const { tiers, limits } = rateLimitDefaults
  await database.query(sql`
    INSERT INTO rate_limit_settings (id, tiers, limits)
    SELECT ${newId()}::uuid, ${JSON.stringify(tiers)}::jsonb, ${JSON.stringify(limits)}::jsonb
    WHERE NOT EXISTS (SELECT FROM rate_limit_settings)
  `)
}
