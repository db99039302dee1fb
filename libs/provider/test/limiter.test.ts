import fc from 'fast-check'
import t from 'tap'
import { forgetLimits, type Decision } from '../src/limiter.ts'
import { createProvider, leaseMs, minuteMs, noon, redis } from './limiter-fixture.ts'

function delayOf(decision: Decision): number {
  return decision.kind === 'denied' ? decision.retryAfterMs : 0
}

t.test('a refusal by one limit takes nothing from the others (TR5)', async t => {
  const { acquire, prefix } = createProvider(t, {
    maxConcurrency: 5,
    maxPerMinute: 1,
    maxPerDay: 100,
  })

  await acquire('a')
  const refused = await acquire('b')

  t.match(refused, { kind: 'denied', reason: 'minute' })
  t.strictSame(await redis.zrange(`${prefix}:sem`, '0', '-1'), ['a#1'])
  t.equal(await redis.get(`${prefix}:rpd:2026-11-21`), '1')
})

t.test('without limits nothing is refused', async t => {
  const { acquire } = createProvider(t, {})

  const decisions = await Promise.all(Array.from({ length: 50 }, (_, at) => acquire(`t${at}`)))

  t.ok(decisions.every(({ kind }) => kind === 'allowed'))
})

t.test('a slot is freed by the attempt that holds it and by no other', async t => {
  const { acquire, release, slots } = createProvider(t, { maxConcurrency: 1 })
  await acquire('a', 1)

  await release('a', 2)
  await release('b', 1)
  t.equal(await slots(), 1)

  await release('a', 1)
  t.equal(await slots(), 0)
})

t.test('a later attempt takes the slot over; the earlier one cannot have it back', async t => {
  const { acquire, renew, slots } = createProvider(t, { maxConcurrency: 1 })
  await acquire('a', 1)

  t.strictSame(await acquire('a', 2, true), { kind: 'allowed' })
  t.equal(await renew('a', 1), false)
  t.strictSame(await acquire('a', 1), { kind: 'superseded' })
  t.equal(await slots(), 1)
})

t.test('a worker that died gives its slot back when the lease is over, not before', async t => {
  const { acquire, clock } = createProvider(t, { maxConcurrency: 1 })
  await acquire('a')

  clock.nowMs += leaseMs
  t.match(await acquire('b'), { kind: 'denied', reason: 'slots' })

  clock.nowMs += 1
  t.match(await acquire('b'), { kind: 'allowed' })
})

t.test('a slot that is renewed is held for as long as the work takes (TR6)', async t => {
  const { acquire, renew, clock } = createProvider(t, { maxConcurrency: 1 })
  await acquire('a')

  for (let minutes = 0; minutes < 30; minutes++) {
    clock.nowMs += leaseMs / 3
    await renew('a')
  }

  t.match(await acquire('b'), { kind: 'denied', reason: 'slots' })
})

t.test('after FLUSHALL the slots of running work are back with their renewal (R-2)', async t => {
  const { acquire, renew, clear, slots } = createProvider(t, { maxConcurrency: 2 })
  await acquire('a')
  await acquire('b')

  await clear()
  await renew('a')
  await renew('b')

  t.equal(await slots(), 2)
  t.match(await acquire('c'), { kind: 'denied', reason: 'slots' })
})

t.test('a resumed call needs a slot, and nothing of the minute or the day', async t => {
  const { acquire, release } = createProvider(t, {
    maxConcurrency: 1,
    maxPerMinute: 1,
    maxPerDay: 1,
  })
  await acquire('a')

  t.match(await acquire('b', 1, true), { kind: 'denied', reason: 'slots' })
  await release('a')

  t.match(await acquire('b', 1, true), { kind: 'allowed' })
})

t.test('a day of UTC has its limit, and the next one has it again', async t => {
  const { acquire, clock, prefix } = createProvider(
    t,
    { maxPerDay: 2 },
    Date.UTC(2028, 1, 29, 23, 59, 59),
  )
  await acquire('a')
  await acquire('b')

  const refused = await acquire('c')
  t.match(refused, { kind: 'denied', reason: 'day' })
  t.ok(delayOf(refused) >= 1_000 && delayOf(refused) <= 1_250)

  clock.nowMs += 1_000
  t.match(await acquire('c'), { kind: 'allowed' })
  t.equal(await redis.get(`${prefix}:rpd:2028-02-29`), '2')
  t.equal(await redis.get(`${prefix}:rpd:2028-03-01`), '1')
})

t.test('any date is named as the calendar names it', async t => {
  const { acquire, clock, prefix, clear } = createProvider(t, { maxPerDay: 1 })
  const [min, max] = [new Date(0), new Date(Date.UTC(9_999, 0))]
  const date = fc.date({ min, max, noInvalidDate: true })

  for (const moment of fc.sample(date, 100)) {
    clock.nowMs = moment.getTime()
    await acquire('a')

    const day = `${prefix}:rpd:${moment.toISOString().slice(0, 10)}`
    t.equal(await redis.get(day), '1', day)
    await clear()
  }
})

t.test('after a 429 nobody calls until the provider wants, and then fewer do at once', async t => {
  const { acquire, release, limiter, clock, providerId } = createProvider(t, { maxConcurrency: 4 })
  for (const holder of ['a', 'b', 'c', 'd']) await acquire(holder)
  await limiter.coolDown(providerId, 5_000)
  for (const holder of ['a', 'b', 'c', 'd']) await release(holder, 1, false)

  const refused = await acquire('e')
  t.match(refused, { kind: 'denied', reason: 'cooldown' })
  t.ok(delayOf(refused) >= 5_000)

  clock.nowMs += 20_000
  t.match(await acquire('f'), { kind: 'allowed' })
  t.match(await acquire('g'), { kind: 'allowed' })
  t.match(await acquire('h'), { kind: 'denied', reason: 'slots' })
})

t.test('what goes well raises the number again, up to the configured one', async t => {
  const { acquire, release, limiter, clock, providerId } = createProvider(t, { maxConcurrency: 2 })
  await acquire('a')
  await limiter.coolDown(providerId, 1_000)
  await release('a', 1, false)
  clock.nowMs += 2_000

  for (let at = 0; at < 5; at++) {
    await acquire(`t${at}`)
    await release(`t${at}`)
  }

  t.match(await acquire('y'), { kind: 'allowed' })
  t.match(await acquire('z'), { kind: 'allowed' })
  t.match(await acquire('x'), { kind: 'denied' })
})

t.test('all workers go by one configuration, until an operator changes it', async t => {
  const { acquire, providerId, prefix, limiter } = createProvider(t, { maxConcurrency: 1 })
  await acquire('a')
  const changed = { maxConcurrency: 2 }
  const b = { providerId, holder: 'b', attempt: 1, limits: changed, isResumed: false }

  t.match(await limiter.tryAcquire(b), { kind: 'denied' })
  t.ok((await redis.ttl(`${prefix}:config`)) <= 300)

  await forgetLimits(redis, 'web', providerId)
  t.match(await limiter.tryAcquire(b), { kind: 'allowed' })
})

t.test('who was refused first and comes back in time goes first (V6)', async t => {
  const { acquire, release, clock } = createProvider(t, { maxConcurrency: 1 })
  await acquire('a')
  const delays = [delayOf(await acquire('b')), delayOf(await acquire('c'))]
  await release('a')

  clock.nowMs += Math.max(...delays)
  t.match(await acquire('newcomer'), { kind: 'denied' })
  t.match(await acquire('c'), { kind: 'denied' })
  t.match(await acquire('b'), { kind: 'allowed' })
})

t.test('who does not come back keeps nobody waiting', async t => {
  const { acquire, release, clock } = createProvider(t, { maxConcurrency: 1 })
  await acquire('a')
  const delayMs = delayOf(await acquire('b'))
  await release('a')

  clock.nowMs += delayMs + 3_000
  t.match(await acquire('c'), { kind: 'allowed' })
})

t.test('a clock that is set back keeps nobody out for longer than a pause', async t => {
  const { acquire, clock } = createProvider(t, { maxConcurrency: 2, maxPerMinute: 60 })
  await acquire('a')
  await acquire('b')

  clock.nowMs -= 3_600_000
  await acquire('c')
  clock.nowMs += leaseMs + 1

  t.match(await acquire('d'), { kind: 'allowed' })
})

t.test('under a full load a minute holds nine to eleven tenths of its limit (L23)', async t => {
  for (const maxPerMinute of [20, 100, 600]) {
    const { acquire, clock } = createProvider(t, { maxPerMinute })
    const admitted: number[] = []
    for (let step = 0; step < 3 * 1_000; step++) {
      clock.nowMs += (3 * minuteMs) / 3_000
      if ((await acquire('always')).kind === 'allowed') admitted.push(clock.nowMs - noon)
    }
    const counts = Array.from({ length: 1_000 }, (_, at) => {
      const fromMs = at * 120
      return admitted.filter(ms => ms >= fromMs && ms < fromMs + minuteMs).length / maxPerMinute
    })

    t.ok(Math.min(...counts) >= 0.9, `${maxPerMinute}: at least ${Math.min(...counts)}`)
    t.ok(Math.max(...counts) <= 1.1, `${maxPerMinute}: at most ${Math.max(...counts)}`)
  }
})
