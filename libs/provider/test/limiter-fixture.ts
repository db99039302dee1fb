import { randomUUID } from 'node:crypto'
import type { RateLimit } from '@funmagic/contract/provider-config'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { createLimiter, limiterKey } from '../src/limiter.ts'

export const redis = new Redis(process.env['REDIS_QUEUE_URL'] ?? '')
t.teardown(() => redis.disconnect())

export const leaseMs = 60_000
export const minuteMs = 60_000
export const windowMs = 62_000
export const noon = Date.UTC(2026, 10, 21, 12)

/** A limiter on a provider of its own, and the test's hand on the clock. */
export function createProvider(t: Pick<Test, 'teardown'>, limits: RateLimit, startMs = noon) {
  const providerId = randomUUID()
  const clock = { nowMs: startMs }
  const limiter = createLimiter({ redis, scope: 'web', leaseMs, now: () => clock.nowMs })
  const prefix = limiterKey('web', providerId)
  const clear = async () => {
    const keys = await redis.keys(`${prefix}:*`)
    if (keys.length > 0) await redis.del(keys)
  }
  t.teardown(clear)
  const acquire = (holder: string, attempt = 1, isResumed = false) =>
    limiter.tryAcquire({ providerId, holder, attempt, limits, isResumed })
  const release = (holder: string, attempt = 1, isSuccess = true) =>
    limiter.release({ providerId, holder, attempt }, { isSuccess })
  const renew = (holder: string, attempt = 1) => limiter.renew({ providerId, holder, attempt })
  const slots = () => redis.zcard(`${prefix}:sem`)
  return { providerId, clock, limiter, prefix, clear, acquire, release, renew, slots }
}
