import { randomUUID } from 'node:crypto'
import { createTestDatabase } from '@funmagic/database/testing'
import { rateLimitDefaults } from '@funmagic/contract/rate-limit'
import { newId } from '@funmagic/contract/ids'
import type { Queryable } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { Redis } from 'ioredis'
import t from 'tap'
import { createRateLimits, networkOf, type RateLimitDeps } from '../src/rate-limits.ts'

const { database } = await createTestDatabase(t)

/** Limits with keys of their own in Redis. */
function setup(t: { teardown(work: () => unknown): void }, options: Partial<RateLimitDeps> = {}) {
  const keyPrefix = `${randomUUID()}:`
  const redis = new Redis(process.env['REDIS_CACHE_URL'] ?? '', { keyPrefix })
  t.teardown(() => redis.disconnect())
  const limits = createRateLimits({ database, redis, profile: 'production', ...options })
  return { limits, redis }
}

/** A Redis that is not there. */
function absentRedis(t: { teardown(work: () => unknown): void }): Redis {
  const redis = new Redis('redis://127.0.0.1:1', { enableOfflineQueue: false })
  redis.on('error', () => undefined)
  t.teardown(() => redis.disconnect())
  return redis
}

async function secondOf(redis: Redis): Promise<number> {
  return Number((await redis.time())[0])
}

t.test('of a hundred requests at a time the limit passes and the rest is told when', async t => {
  const { limits } = setup(t)

  const verdicts = await Promise.all(
    Array.from({ length: 100 }, () => limits.checkAddress('authAction', '192.0.2.1')),
  )

  t.equal(verdicts.filter(verdict => verdict.isAllowed).length, 10)
  for (const { isAllowed, resetSeconds } of verdicts) {
    if (!isAllowed) t.ok(resetSeconds > 0 && resetSeconds <= 61)
  }
  t.match(await limits.checkAddress('authAction', '192.0.2.2'), { isAllowed: true, remaining: 9 })
})

t.test('no sixty seconds hold more than the limit, wherever they begin', async t => {
  const { limits, redis } = setup(t)
  const now = await secondOf(redis)
  await redis.hset('rate_limit:192.0.2.1:authAction', { [now - 59]: 9, [now - 62]: 10 })

  const verdicts = [
    await limits.checkAddress('authAction', '192.0.2.1'),
    await limits.checkAddress('authAction', '192.0.2.1'),
  ]

  t.match(verdicts, [
    { isAllowed: true, remaining: 0 },
    { isAllowed: false, remaining: 0 },
  ])
  t.ok((verdicts[1]?.resetSeconds ?? 0) <= 2, 'the oldest second leaves first')
})

t.test('refused requests do not keep the door shut, and keys go away by themselves', async t => {
  const { limits, redis } = setup(t)

  for (let n = 0; n < 30; n++) await limits.checkAddress('authAction', '192.0.2.1')

  const counts = await redis.hvals('rate_limit:192.0.2.1:authAction')
  t.equal(
    counts.map(Number).reduce((a, b) => a + b),
    10,
  )
  t.ok((await redis.ttl('rate_limit:192.0.2.1:authAction')) <= 61)
})

t.test('credits bought multiply the limits of a user', async t => {
  const expected = [
    [0, 60],
    [99, 60],
    [100, 90],
    [500, 120],
    [1999, 120],
    [2000, 180],
  ] as const

  for (const [purchased, limit] of expected) {
    const { limits } = setup(t, { lifetimePurchasedOf: async () => purchased })
    t.match(await limits.checkUser(['userApi'], newId()), [{ limit }], `${purchased} bought`)
  }
})

t.test('the tier of a user is read once in five minutes', async t => {
  const asked: string[] = []
  const lifetimePurchasedOf = async (userId: string) => asked.push(userId) * 100
  const { limits, redis } = setup(t, { lifetimePurchasedOf })
  const userId = newId()

  await limits.checkUser(['userApi'], userId)
  await limits.checkUser(['taskCreation'], userId)

  t.same(asked, [userId])
  t.ok((await redis.ttl(`rate_limit_tier:${userId}`)) > 290)
})

t.test('the limits are those of the settings row', async t => {
  const tiers = JSON.stringify(rateLimitDefaults.tiers)
  const changed = JSON.stringify({ ...rateLimitDefaults.limits, authAction: { max: 3 } })
  await database.query(sql`
    INSERT INTO rate_limit_settings (id, tiers, limits)
    VALUES (${newId()}::uuid, ${tiers}, ${changed})
  `)
  t.teardown(() => database.query(sql`DELETE FROM rate_limit_settings`))
  const { limits, redis } = setup(t)

  t.match(await limits.checkAddress('authAction', '192.0.2.1'), { limit: 3 })
  t.ok((await redis.ttl('rate_limit_settings')) > 290, 'kept in Redis for five minutes')
})

t.test('settings that do not have the form are not half obeyed', async t => {
  const { limits, redis } = setup(t)
  await redis.set('rate_limit_settings', '{"tiers":[],"limits":{"authAction":{"max":-1}}}')

  t.match(await limits.checkAddress('authAction', '192.0.2.1'), { limit: 10 })
})

t.test('development relaxes every limit a thousandfold', async t => {
  const { limits } = setup(t, { profile: 'development' })

  t.match(await limits.checkAddress('authAction', '192.0.2.1'), { limit: 10_000 })
})

t.test('without Redis each process keeps to half the limit', async t => {
  const errors: unknown[] = []
  const onError = (error: unknown) => void errors.push(error)
  const { limits } = setup(t, { redis: absentRedis(t), onError })

  const verdicts = []
  for (let n = 0; n < 10; n++) verdicts.push(await limits.checkAddress('authAction', '192.0.2.1'))

  t.equal(verdicts.filter(verdict => verdict.isAllowed).length, 5)
  t.match(verdicts[9], { isAllowed: false, limit: 5, remaining: 0 })
  t.not(errors.length, 0)
})

t.test('without Postgres the limits last known hold', async t => {
  const away: Queryable = { query: () => Promise.reject(new Error('away')) }
  const lifetimePurchasedOf = () => Promise.reject(new Error('away'))
  const { limits } = setup(t, { database: away, lifetimePurchasedOf })

  t.match(await limits.checkUser(['userApi'], newId()), [{ isAllowed: true, limit: 60 }])
})

t.test('an IPv6 network counts as one address', async t => {
  const same = ['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:0DB8:1:2:0::%eth0']

  for (const ip of same) t.equal(networkOf(ip), '2001:db8:1:2::/64', ip)
  t.equal(networkOf('2001:db8:1:3::1'), '2001:db8:1:3::/64')
  t.equal(networkOf('::1'), '0:0:0:0::/64')
  t.equal(networkOf('::ffff:192.0.2.1'), '192.0.2.1')
  t.equal(networkOf('192.0.2.1'), '192.0.2.1')
})
