import { createHash } from 'node:crypto'
import type { Redis } from './cache-link.ts'

/** What a limit said about one request. */
export interface Verdict {
  readonly isAllowed: boolean
  readonly limit: number
  readonly remaining: number
  /** Until the oldest request counted leaves the window. */
  readonly resetSeconds: number
}

const windowSeconds = 60

// Counts per second of Redis's own clock. A request leaves the count when 60 whole seconds have
// passed since the end of its second, so no 60 seconds ever hold more than the limit; fixed
// windows, which @fastify/rate-limit and rate-limiter-flexible count in, let twice the limit pass
// around their edge, and a token bucket does so after a rest. At most 61 small fields per key.
const takeFromWindows = `
local second = tonumber(redis.call('TIME')[1])
local window, windows, rungs = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local rung = 1
if #KEYS > windows then
  local reached = tonumber(redis.call('GET', KEYS[#KEYS]))
  if not reached then return false end
  for i = 1, rungs do
    if reached >= tonumber(ARGV[3 + i]) then rung = i end
  end
end
local function take(key, max)
  local counts = redis.call('HGETALL', key)
  local used, oldest = 0, second
  for i = 1, #counts, 2 do
    local at = tonumber(counts[i])
    if at < second - window then
      redis.call('HDEL', key, counts[i])
    else
      used = used + tonumber(counts[i + 1])
      oldest = math.min(oldest, at)
    end
  end
  local allowed = 0
  if used < max then
    allowed = 1
    used = used + 1
    redis.call('HINCRBY', key, second, 1)
    redis.call('EXPIRE', key, window + 1)
  end
  return {allowed, used, oldest + window + 1 - second, max}
end
local verdicts = {}
for i = 1, windows do
  verdicts[i] = take(KEYS[i], tonumber(ARGV[3 + i * rungs + rung]))
  if verdicts[i][1] == 0 then break end
end
return verdicts`
const scriptSha = createHash('sha1').update(takeFromWindows).digest('hex')

export interface Window {
  readonly key: string
  readonly limit: number
}

/** Limits that grow with a number. */
export interface Ladder {
  /** The key that holds the number. */
  readonly key: string
  /** From which number on each rung is reached; ascending, and the first is everybody's. */
  readonly from: readonly number[]
  readonly windows: readonly { readonly key: string; readonly limits: readonly number[] }[]
}

/**
 * Counts one request in each window whose last minute has room for it, up to the first that has
 * none: a refused one is not counted there, nor in those after it.
 */
export async function takeShared(redis: Redis, windows: readonly Window[]): Promise<Verdict[]> {
  const keys = windows.map(({ key }) => key)
  const limits = windows.map(({ limit }) => limit)
  return toVerdicts(await evaluate(redis, keys, [windowSeconds, keys.length, 1, 0, ...limits]))
}

/** The same with the limits of the rung that is reached; null, and nothing counted, if unknown. */
export async function takeOnLadder(
  redis: Redis,
  { key, from, windows }: Ladder,
): Promise<Verdict[] | null> {
  const keys = [...windows.map(window => window.key), key]
  const limits = windows.flatMap(window => window.limits)
  const values = [windowSeconds, windows.length, from.length, ...from, ...limits]
  const answer = await evaluate(redis, keys, values)
  return answer === null ? null : toVerdicts(answer)
}

/** The script returns four integers for each; the cast is the parse boundary. */
function toVerdicts(answer: unknown): Verdict[] {
  return (answer as [number, number, number, number][]).map(([allowed, used, reset, limit]) => ({
    isAllowed: allowed === 1,
    limit,
    remaining: Math.max(0, limit - used),
    resetSeconds: reset,
  }))
}

/** By the name of the script, which Redis knows from the first time on, until it starts anew. */
async function evaluate(
  redis: Redis,
  keys: readonly string[],
  values: readonly number[],
): Promise<unknown> {
  try {
    return await redis.evalsha(scriptSha, keys.length, ...keys, ...values)
  } catch (error) {
    const isUnknown = error instanceof Error && error.message.startsWith('NOSCRIPT')
    if (!isUnknown) throw new Error('the request could not be counted', { cause: error })
    return redis.eval(takeFromWindows, keys.length, ...keys, ...values)
  }
}

interface LocalWindow {
  readonly endsAtMs: number
  used: number
}

const localKeysMax = 10_000

/**
 * The limiter of one process for while Redis is away. It is the stricter one: half the limit in
 * each fixed window, so the process lets no more than the limit pass in any 60 seconds.
 */
export function createLocalWindows(): (window: Window) => Verdict {
  const windows = new Map<string, LocalWindow>()
  return ({ key, limit }) => {
    const nowMs = performance.now()
    const halfLimit = Math.max(1, Math.floor(limit / 2))
    let window = windows.get(key)
    if (window === undefined || window.endsAtMs <= nowMs) {
      window = { endsAtMs: nowMs + windowSeconds * 1000, used: 0 }
      windows.delete(key)
      windows.set(key, window)
      forgetOldest(windows)
    }
    const isAllowed = window.used < halfLimit
    if (isAllowed) window.used++
    return {
      isAllowed,
      limit: halfLimit,
      remaining: halfLimit - window.used,
      resetSeconds: Math.ceil((window.endsAtMs - nowMs) / 1000),
    }
  }
}

/** A map keeps the order of insertion, and the windows are inserted when they begin. */
function forgetOldest(windows: Map<string, LocalWindow>): void {
  const oldest = windows.keys().next()
  if (windows.size > localKeysMax && !oldest.done) windows.delete(oldest.value)
}
