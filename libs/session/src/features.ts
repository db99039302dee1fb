import { createHash } from 'node:crypto'
import { features, isFeature, type Feature, type FeatureView } from '@funmagic/contract/features'
import type { UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import type { Queryable } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'

// A table and a digest, and no SDK of OpenFeature: its providers, hooks and contexts would stand
// between four switches and the one question that is asked of them.

export interface FeatureDeps {
  readonly database: Queryable
  /** Told of each failure to read the table, while which what was last read holds. */
  readonly onError?: (error: unknown) => void
  /** Milliseconds that only grow. */
  readonly now?: () => number
}

export interface Features {
  /** Whether the user may begin this; for a caller without an account it is all or nobody. */
  isOpenFor(feature: Feature, userId: UserId | null): Promise<boolean>
  /** As isOpenFor, and FEATURE_OFF when it is not. */
  requireOpen(feature: Feature, userId: UserId | null): Promise<void>
  /** After the commit of a change: this process reads the table again at the next question. */
  forget(): void
}

type Percents = ReadonlyMap<string, number>

const everybody = 100
/** How long a change takes to be everywhere. */
export const featureMemoMs = 2_000

export function createFeatures(deps: FeatureDeps): Features {
  const memo = rememberPercents(deps)

  async function isOpenFor(feature: Feature, userId: UserId | null): Promise<boolean> {
    const percent = (await memo.read()).get(feature) ?? everybody
    return bucketOf(feature, userId) < percent
  }

  return {
    isOpenFor,
    requireOpen: async (feature, userId) => {
      if (!(await isOpenFor(feature, userId))) {
        throw new AppError('FEATURE_OFF', { details: { feature } })
      }
    },
    forget: memo.forget,
  }
}

/**
 * 0 to 99, the same in every process and release: whom a feature is open to it stays open to while
 * the percent grows. Each feature divides the users anew: the first are not always the same.
 */
export function bucketOf(feature: Feature, userId: UserId | null): number {
  if (userId === null) return everybody - 1
  const digest = createHash('sha256').update(`${feature}:${userId}`).digest()
  return digest.readUInt32BE() % everybody
}

/** One look at Postgres in two seconds, shared by all who ask meanwhile. */
function rememberPercents({ database, onError, now = () => performance.now() }: FeatureDeps) {
  let known: Percents | undefined
  let reading: Promise<Percents> | undefined
  let readAtMs = -Infinity

  async function load(): Promise<Percents> {
    try {
      const { rows } = await database.query<{ key: string; percent: number }>(sql`
        SELECT key, percent FROM feature_flags
      `)
      return new Map(rows.map(({ key, percent }) => [key, percent]))
    } catch (error) {
      onError?.(error)
      // Nothing was ever read: what is guarded cannot be done without Postgres either.
      if (known === undefined) throw error
      return known
    }
  }

  async function readAnew(): Promise<Percents> {
    readAtMs = now()
    const mine = load()
    reading = mine
    try {
      const percents = await mine
      // Unless it was forgotten meanwhile: then this may be from before the change.
      if (reading === mine) known = percents
      return percents
    } finally {
      if (reading === mine) reading = undefined
    }
  }

  return {
    read: async (): Promise<Percents> => {
      if (reading !== undefined) return reading
      return known !== undefined && now() - readAtMs < featureMemoMs ? known : readAnew()
    },
    forget: () => {
      reading = undefined
      readAtMs = -Infinity
    },
  }
}

/** Every feature that can be switched, and how far it is open. */
export async function listFeatures(database: Queryable): Promise<FeatureView[]> {
  const { rows } = await database.query<{ key: string; percent: number; updatedAt: Date }>(sql`
    SELECT key, percent, updated_at AS "updatedAt" FROM feature_flags
  `)
  const stored = new Map(rows.map(row => [row.key, row]))
  return Object.keys(features)
    .filter(isFeature)
    .map(key => {
      const { percent, updatedAt } = stored.get(key) ?? { percent: everybody, updatedAt: undefined }
      return { key, ...features[key], percent, updatedAt: updatedAt?.toISOString() ?? null }
    })
}

/** Opens the feature to this share of the users; returns the share before. */
export async function changeFeature(
  tx: Transaction,
  { feature, percent }: { feature: Feature; percent: number },
): Promise<number> {
  await tx.query(sql`
    INSERT INTO feature_flags (key, percent) VALUES (${feature}, ${everybody})
    ON CONFLICT (key) DO NOTHING
  `)
  const { rows } = await tx.query<{ percent: number }>(sql`
    SELECT percent FROM feature_flags WHERE key = ${feature} FOR UPDATE
  `)
  await tx.query(sql`
    UPDATE feature_flags SET percent = ${percent}, updated_at = now() WHERE key = ${feature}
  `)
  return rows[0]?.percent ?? everybody
}
