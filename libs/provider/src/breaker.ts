import type { Redis } from 'ioredis'
import { limiterKey, type Scope } from './limiter.ts'

// One hash per provider, `…:breaker`, which all workers share: successes and failures by ten
// seconds, the times since when and until when it is open, the probe that is under way, and the
// retry budget. It expires by itself, and without it a provider counts as well.
const prelude = `
local key = ARGV[1] .. ':breaker'
local time = redis.call('TIME')
local now = tonumber(ARGV[2]) or (time[1] * 1000 + math.floor(time[2] / 1000))
local holder = ARGV[3]
local bucketMs, buckets, failuresMin, probeMs, yieldedMs = 10000, 6, 5, 60000, 5000
local firstOpenMs, openMaxMs = 10000, 120000
local budgetMax, budgetStart, refillMs = 10, 3, 30000

local function read(field)
  return tonumber(redis.call('HGET', key, field) or nil)
end

local function budget()
  local left, at = read('budget') or budgetStart, read('budgetAt') or now
  return math.min(budgetMax, left + math.max(0, now - at) / refillMs)
end

local function keepBudget(left)
  redis.call('HSET', key, 'budget', math.min(budgetMax, left), 'budgetAt', now)
end

local function recentFailures()
  local bucket, failures = math.floor(now / bucketMs), 0
  for _, field in ipairs(redis.call('HKEYS', key)) do
    local at = tonumber(string.match(field, '^failure:(%d+)$') or '')
    if at and at > bucket - buckets and at <= bucket then failures = failures + read(field) end
  end
  return failures
end

local function open(times)
  local openMs = math.min(openMaxMs, firstOpenMs * 2 ^ (times - 1))
  redis.call('HSET', key, 'times', times, 'until', now + openMs)
  redis.call('HDEL', key, 'probe', 'probeUntil')
end

-- A clock that was set back must not keep it open.
local function openUntil()
  return math.min(read('until') or 0, now + openMaxMs)
end
`

/** ARGV: prefix, now, holder, isRetry, random. Returns a word and how long to wait. */
const admitScript = `${prelude}
local isRetry, random = ARGV[4] == '1', tonumber(ARGV[5])
if redis.call('HEXISTS', key, 'since') == 1 then
  local waitMs = openUntil() - now
  if waitMs > 0 then return {'open', math.ceil(waitMs + random * 5000)} end
  local probe, probeUntil = redis.call('HGET', key, 'probe'), read('probeUntil') or 0
  if probe and probe ~= holder and probeUntil > now and probeUntil <= now + probeMs then
    return {'open', math.ceil(1000 + random * 2000)}
  end
  -- Whose probe failed lets others go first: it would use up the tries of one task alone.
  local yieldMs = openUntil() + yieldedMs - now
  if redis.call('HGET', key, 'lastProbe') == holder and yieldMs > 0 then
    return {'open', math.ceil(yieldMs + random * 2000)}
  end
  redis.call('HSET', key, 'probe', holder, 'probeUntil', now + probeMs)
  return {'probe', 0}
end
-- While nothing fails, what an outage left behind is to be done, and not to wait for its turn.
if isRetry and recentFailures() > 0 then
  local left = budget()
  if left < 1 then return {'budget', math.ceil((1 - left) * refillMs * (1 + random / 4))} end
  keepBudget(left - 1)
  redis.call('EXPIRE', key, 3600)
end
return {'allowed', 0}`

/** ARGV: prefix, now, holder, outcome. Returns what the breaker has become, if it changed. */
const reportScript = `${prelude}
local outcome, isOpen = ARGV[4], redis.call('HEXISTS', key, 'since') == 1
local isProbe = isOpen and redis.call('HGET', key, 'probe') == holder
redis.call('EXPIRE', key, 3600)
if outcome == 'refund' then keepBudget(budget() + 1) end
if isProbe and (outcome == 'refund' or outcome == 'neutral') then
  redis.call('HDEL', key, 'probe', 'probeUntil')
end
if outcome ~= 'success' and outcome ~= 'failure' then return 'same' end
if isOpen then
  if not isProbe then return 'same' end
  if outcome == 'failure' then
    redis.call('HSET', key, 'lastProbe', holder)
    open((read('times') or 1) + 1)
    return 'same'
  end
  redis.call('DEL', key)
  keepBudget(budgetStart)
  redis.call('EXPIRE', key, 3600)
  return 'closed'
end
if outcome == 'success' then keepBudget(budget() + 0.5) end

local bucket, total, failures = math.floor(now / bucketMs), 0, 0
redis.call('HINCRBY', key, outcome .. ':' .. bucket, 1)
for _, field in ipairs(redis.call('HKEYS', key)) do
  local word, at = string.match(field, '^(%a+):(%d+)$')
  if word and (tonumber(at) <= bucket - buckets or tonumber(at) > bucket) then
    redis.call('HDEL', key, field)
  elseif word then
    total = total + read(field)
    if word == 'failure' then failures = failures + read(field) end
  end
end
if failures < failuresMin or failures * 2 < total then return 'same' end
redis.call('HSET', key, 'since', now)
open(1)
return 'opened'`

export interface BreakerOptions {
  /** Of the queue, like the limiter's. */
  readonly redis: Redis
  readonly scope: Scope
  /** The clock of Redis unless a test tells. */
  readonly now?: () => number
}

export interface Caller {
  readonly providerId: string
  readonly holder: string
}

/** `probe`: the breaker is half open, and this call tells whether the provider is back. */
export type Admission =
  | { readonly kind: 'allowed' | 'probe' }
  | { readonly kind: 'open' | 'budget'; readonly retryAfterMs: number }

/** `neutral` says nothing about the provider's health; `refund`: no call was made. */
export type Outcome = 'success' | 'failure' | 'neutral' | 'refund'

/** Since when a provider has been failing, as callers beside the workers see it. */
export interface BreakerReading {
  readonly state: 'closed' | 'open' | 'half-open'
  readonly openForMs: number
  /** Until the provider is tried again. */
  readonly retryAfterMs: number
}

/**
 * A circuit breaker that all workers share. It opens when at least five calls of the last minute
 * failed and they were half of all, for 10 s and then twice as long with every failed probe, up
 * to two minutes; one probe at a time. Further tries of failed tasks are paid for by successes, so
 * that a provider in trouble is not asked much more often than one that is well (V-2, V-3, L13).
 */
export interface Breaker {
  admit(caller: Caller, call: { readonly isRetry: boolean }): Promise<Admission>
  report(caller: Caller, outcome: Outcome): Promise<'opened' | 'closed' | 'same'>
}

export function createBreaker({ redis, scope, now }: BreakerOptions): Breaker {
  const run = (script: string, { providerId, holder }: Caller, ...rest: (string | number)[]) =>
    redis.eval(script, 0, limiterKey(scope, providerId), now?.() ?? '', holder, ...rest)
  return {
    async admit(caller, { isRetry }) {
      const answer = await run(admitScript, caller, isRetry ? 1 : 0, Math.random())
      // The script returns a word and an integer; the cast is the parse boundary.
      return toAdmission(answer as [string, number])
    },
    async report(caller, outcome) {
      const answer = await run(reportScript, caller, outcome)
      return answer === 'opened' || answer === 'closed' ? answer : 'same'
    },
  }
}

/** How the breaker of a provider stands; cheap enough to be asked before every task. */
export async function readBreaker(
  { redis, scope, now }: BreakerOptions,
  providerId: string,
): Promise<BreakerReading> {
  const fields = ['since', 'until'] as const
  const [since, until] = await redis.hmget(`${limiterKey(scope, providerId)}:breaker`, ...fields)
  if (typeof since !== 'string') return { state: 'closed', openForMs: 0, retryAfterMs: 0 }
  const nowMs = now?.() ?? Date.now()
  const retryAfterMs = Math.max(0, Number(until) - nowMs)
  const state = retryAfterMs > 0 ? 'open' : 'half-open'
  return { state, openForMs: Math.max(0, nowMs - Number(since)), retryAfterMs }
}

function toAdmission([word, retryAfterMs]: [string, number]): Admission {
  switch (word) {
    case 'allowed':
    case 'probe':
      return { kind: word }
    case 'open':
    case 'budget':
      return { kind: word, retryAfterMs }
    default:
      throw new Error(`the breaker said ${word}`)
  }
}
