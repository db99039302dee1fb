import assert from 'node:assert/strict'
import { isIPv6 } from 'node:net'
import Value from 'typebox/value'
import type { UserId } from '@funmagic/contract/ids'
import {
  rateLimitDefaults,
  RateLimitSettings,
  type RateLimitCategory,
} from '@funmagic/contract/rate-limit'
import type { Queryable } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { linkCache, type CacheLink, type Redis } from './cache-link.ts'
import { rateLimitSettingsKey as settingsKey } from './rate-limit-settings.ts'
import {
  createLocalWindows,
  takeOnLadder,
  takeShared,
  type Ladder,
  type Verdict,
  type Window,
} from './rate-limit-window.ts'

export type { Verdict } from './rate-limit-window.ts'

/** Development multiplies every limit by a thousand (seed 004 §7). */
export const rateLimitProfiles = ['production', 'development'] as const
export type RateLimitProfile = (typeof rateLimitProfiles)[number]

export interface RateLimitDeps {
  readonly database: Queryable
  readonly redis: Redis
  readonly profile: RateLimitProfile
  /** What the user's tier is read from; without it everybody is in the lowest one. */
  readonly lifetimePurchasedOf?: (userId: UserId) => Promise<number>
  /** Told of each failure of a store, while which the limits are kept by this process alone. */
  readonly onError?: (error: unknown) => void
}

/** What buying credits multiplies a user's limits by. */
export interface Tier {
  readonly name: string
  readonly multiplier: number
}

/** The limits of requirement S9. A store that is away makes them stricter, never open. */
export interface RateLimits {
  checkAddress(category: RateLimitCategory, ip: string): Promise<Verdict>
  /** Of each category, in their order, up to the first that refuses. */
  checkUser(categories: readonly RateLimitCategory[], userId: UserId): Promise<Verdict[]>
  /** By what the user has bought in all; the lowest one while that cannot be read. */
  tierOf(userId: UserId): Promise<Tier>
}

const cachedSeconds = 300
const settingsMemoMs = 5_000
const profileFactors = { production: 1, development: 1000 } as const

export function createRateLimits(deps: RateLimitDeps): RateLimits {
  const link = linkCache(deps.redis, error => deps.onError?.(error))
  const readSettings = rememberSettings(deps, link)
  const takeLocal = createLocalWindows()

  async function take(windows: readonly Window[]): Promise<Verdict[]> {
    const shared = await link.attempt(redis => takeShared(redis, windows))
    return shared ?? windows.map(takeLocal)
  }

  return {
    checkAddress: async (category, ip) => {
      const { limits } = await readSettings()
      const limit = limits[category].max * profileFactors[deps.profile]
      const [verdict] = await take([{ key: `rate_limit:${networkOf(ip)}:${category}`, limit }])
      assert(verdict !== undefined, 'one window has one verdict')
      return verdict
    },
    checkUser: async (categories, userId) => {
      const settings = await readSettings()
      const windowsOf = ({ multiplier }: Tier): Window[] =>
        categories.map(category => {
          const base = settings.limits[category].max * profileFactors[deps.profile]
          const limit = Math.max(1, Math.floor(base * multiplier))
          return { key: `rate_limit:${userId}:${category}`, limit }
        })
      if (deps.lifetimePurchasedOf === undefined) return take(windowsOf(tierAt(settings, 0)))
      const ladder = toLadder(settings, tierKey(userId), windowsOf)
      const verdicts = await link.attempt(redis => takeOnLadder(redis, ladder))
      // While Redis is away the stricter limiter knows no tiers, and Postgres is not asked.
      if (verdicts === undefined) return windowsOf(tierAt(settings, 0)).map(takeLocal)
      return verdicts ?? take(windowsOf(tierAt(settings, await readPurchased(deps, link, userId))))
    },
    tierOf: async userId => tierAt(await readSettings(), await readPurchased(deps, link, userId)),
  }
}

/** One look at Redis in five seconds, one at Postgres in five minutes. */
function rememberSettings(deps: RateLimitDeps, link: CacheLink): () => Promise<RateLimitSettings> {
  let known = rateLimitDefaults
  let readAtMs = -Infinity
  return async () => {
    if (performance.now() - readAtMs < settingsMemoMs) return known
    readAtMs = performance.now()
    const cached = await link.attempt(redis => redis.get(settingsKey))
    try {
      known = typeof cached === 'string' ? parseSettings(cached) : await loadSettings(deps, link)
    } catch (error) {
      // Postgres is away: the limits that were last known hold.
      deps.onError?.(error)
    }
    return known
  }
}

async function loadSettings(deps: RateLimitDeps, link: CacheLink): Promise<RateLimitSettings> {
  const { rows } = await deps.database.query<RateLimitSettings>(sql`
    SELECT tiers, limits FROM rate_limit_settings ORDER BY updated_at DESC LIMIT 1
  `)
  const text = JSON.stringify(rows[0] ?? rateLimitDefaults)
  const settings = parseSettings(text)
  await link.attempt(redis => redis.set(settingsKey, text, 'EX', cachedSeconds))
  return settings
}

/** A row that does not have the form is not half obeyed: the defaults hold. */
function parseSettings(text: string): RateLimitSettings {
  const settings: unknown = JSON.parse(text)
  return Value.Check(RateLimitSettings, settings) ? settings : rateLimitDefaults
}

async function readPurchased(
  deps: RateLimitDeps,
  link: CacheLink,
  userId: UserId,
): Promise<number> {
  if (deps.lifetimePurchasedOf === undefined) return 0
  const key = tierKey(userId)
  const cached = await link.attempt(redis => redis.get(key))
  if (cached === undefined) return 0
  if (cached !== null) return Number(cached)
  try {
    const purchased = await deps.lifetimePurchasedOf(userId)
    // Never over what rememberPurchased wrote meanwhile, which is newer than what was read here.
    await link.attempt(redis => redis.set(key, purchased, 'EX', cachedSeconds, 'NX'))
    return purchased
  } catch (error) {
    // Postgres is away: the lowest tier holds for this request.
    deps.onError?.(error)
    return 0
  }
}

/**
 * Lets the user's tier follow a purchase or a refund at once (TR15), for every process that limits.
 * Call it after the commit, with what Postgres has; throws when Redis is away: then the old tier
 * holds for five minutes at most.
 */
export async function rememberPurchased(
  redis: Redis,
  user: { readonly userId: UserId; readonly lifetimePurchased: number },
): Promise<void> {
  await redis.set(tierKey(user.userId), user.lifetimePurchased, 'EX', cachedSeconds)
}

function tierKey(userId: UserId): string {
  return `rate_limit_tier:${userId}`
}

const lowestTier = { name: 'free', multiplier: 1, minPurchased: 0 }

/** Each tier from where it begins. */
function tiersUpward({ tiers }: RateLimitSettings) {
  return [lowestTier, ...tiers.toSorted((a, b) => a.minPurchased - b.minPurchased)]
}

function tierAt(settings: RateLimitSettings, purchased: number): Tier {
  const { name, multiplier } =
    tiersUpward(settings).findLast(tier => tier.minPurchased <= purchased) ?? lowestTier
  return { name, multiplier }
}

/** What Redis needs to find the tier by itself, in the same trip in which it counts. */
function toLadder(
  settings: RateLimitSettings,
  key: string,
  windowsOf: (tier: Tier) => Window[],
): Ladder {
  const tiers = tiersUpward(settings)
  const rungs = tiers.map(windowsOf)
  const [everybodys = []] = rungs
  const windows = everybodys.map((window, place) => ({
    key: window.key,
    limits: rungs.map(rung => rung[place]?.limit ?? 1),
  }))
  return { key, from: tiers.map(tier => tier.minPurchased), windows }
}

/** What an address is counted under: an IPv6 subscriber holds a whole /64 (RFC 6177). */
export function networkOf(ip: string): string {
  const embedded = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip)?.[1]
  if (embedded !== undefined) return embedded
  const address = ip.split('%', 1)[0] ?? ip
  if (!isIPv6(address)) return ip
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const first = head === '' ? [] : head.split(':')
  const last = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => '0')
  return `${[...first, ...zeros, ...last].slice(0, 4).join(':')}::/64`
}
