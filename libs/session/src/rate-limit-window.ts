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
const takeFromWindow = `
local second = tonumber(redis.call('TIME')[1])
local max, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local counts = redis.call('HGETALL', KEYS[1])
local used, oldest = 0, second
for i = 1, #counts, 2 do
  local at = tonumber(counts[i])
  if at < second - window then
    redis.call('HDEL', KEYS[1], counts[i])
  else
    used = used + tonumber(counts[i + 1])
    oldest = math.min(oldest, at)
  end
end
local allowed = 0
if used < max then
  allowed = 1
  used = used + 1
  redis.call('HINCRBY', KEYS[1], second, 1)
  redis.call('EXPIRE', KEYS[1], window + 1)
end
return {allowed, used, oldest + window + 1 - second}`

/** Counts one request if the last minute has room for it; a refused one is not counted. */
export async function takeShared(redis: Redis, key: string, limit: number): Promise<Verdict> {
  const answer = await redis.eval(takeFromWindow, 1, key, limit, windowSeconds)
  // The script returns three integers; the cast is the parse boundary.
  const [allowed, used, resetSeconds] = answer as [number, number, number]
  const remaining = Math.max(0, limit - used)
  return { isAllowed: allowed === 1, limit, remaining, resetSeconds }
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
export function createLocalWindows(): (key: string, limit: number) => Verdict {
  const windows = new Map<string, LocalWindow>()
  return (key, limit) => {
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
