import { newId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import { rateLimitDefaults, type RateLimitSettings } from '@funmagic/contract/rate-limit'
import type { Queryable } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'
import type { Redis } from './cache-link.ts'

/** Where every process finds the limits before it asks Postgres (S9). */
export const rateLimitSettingsKey = 'rate_limit_settings'

export interface StoredRateLimits {
  readonly id: string
  readonly settings: RateLimitSettings
  readonly version: number
  readonly updatedAt: Date
}

/** Writes the limits of requirement S9 where no limits are stored yet; an operator's stay. */
export async function saveRateLimitDefaults(database: Queryable): Promise<void> {
  const { tiers, limits } = rateLimitDefaults
  await database.query(sql`
    INSERT INTO rate_limit_settings (id, tiers, limits)
    SELECT ${newId()}::uuid, ${JSON.stringify(tiers)}::jsonb, ${JSON.stringify(limits)}::jsonb
    WHERE NOT EXISTS (SELECT FROM rate_limit_settings)
  `)
}

/** The stored limits, and the defaults where none are stored yet. */
export async function readRateLimitSettings(database: Queryable): Promise<StoredRateLimits> {
  await saveRateLimitDefaults(database)
  const { rows } = await database.query<StoredRow>(sql`
    SELECT id, tiers, limits, version, updated_at AS "updatedAt" FROM rate_limit_settings
    ORDER BY updated_at DESC LIMIT 1
  `)
  return toStored(rows[0])
}

/** Replaces the limits that were read as this version; VERSION_CONFLICT when they changed since. */
export async function changeRateLimitSettings(
  tx: Transaction,
  change: { settings: RateLimitSettings; version: number },
): Promise<{ before: StoredRateLimits; after: StoredRateLimits }> {
  const { tiers, limits } = change.settings
  const before = await readRateLimitSettings(tx)
  const { rows } = await tx.query<StoredRow>(sql`
    UPDATE rate_limit_settings SET tiers = ${JSON.stringify(tiers)}::jsonb,
      limits = ${JSON.stringify(limits)}::jsonb, version = version + 1, updated_at = now()
    WHERE id = ${before.id}::uuid AND version = ${change.version}
    RETURNING id, tiers, limits, version, updated_at AS "updatedAt"
  `)
  if (rows[0] === undefined) throw new AppError('VERSION_CONFLICT')
  return { before, after: toStored(rows[0]) }
}

/** After the commit: every process reads Postgres within its 5 s of memory (S9). */
export async function forgetRateLimitSettings(redis: Redis): Promise<void> {
  await redis.del(rateLimitSettingsKey)
}

interface StoredRow extends RateLimitSettings {
  readonly id: string
  readonly version: number
  readonly updatedAt: Date
}

function toStored(row: StoredRow | undefined): StoredRateLimits {
  if (row === undefined) throw new Error('the rate limits vanished while they were read')
  const { id, tiers, limits, version, updatedAt } = row
  return { id, settings: { tiers, limits }, version, updatedAt }
}
