import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { createBreaker, readBreaker } from '../src/breaker.ts'
import { limiterKey } from '../src/limiter.ts'
import { redis } from './limiter-fixture.ts'

/** A breaker of a provider of its own, and the test's hand on the clock. */
function setup(t: Test) {
  const providerId = randomUUID()
  const clock = { nowMs: Date.UTC(2026, 10, 21, 12) }
  const options = { redis, scope: 'web', now: () => clock.nowMs } as const
  const breaker = createBreaker(options)
  t.teardown(() => redis.del(`${limiterKey('web', providerId)}:breaker`))
  const admit = (holder: string, isRetry = false) => {
    return breaker.admit({ providerId, holder }, { isRetry })
  }
  const report = (holder: string, outcome: 'success' | 'failure' | 'neutral' | 'refund') => {
    return breaker.report({ providerId, holder }, outcome)
  }
  const fail = async (times: number) => {
    for (let at = 0; at < times; at++) await report(`f${at}`, 'failure')
  }
  return { clock, admit, report, fail, read: () => readBreaker(options, providerId) }
}

t.test('five failures that are half of all open it for all workers', async t => {
  const { admit, fail, report, read } = setup(t)
  for (let at = 0; at < 5; at++) await report(`s${at}`, 'success')

  await fail(4)
  t.match(await admit('a'), { kind: 'allowed' })
  t.equal(await report('f', 'failure'), 'opened')

  t.match(await admit('a'), { kind: 'open' })
  t.match(await read(), { state: 'open', retryAfterMs: 10_000 })
})

t.test('failures among many successes leave it closed', async t => {
  const { admit, fail, report } = setup(t)
  for (let at = 0; at < 30; at++) await report(`s${at}`, 'success')

  await fail(20)

  t.match(await admit('a'), { kind: 'allowed' })
})

t.test('failures of more than a minute ago do not count', async t => {
  const { admit, fail, clock } = setup(t)
  await fail(4)

  clock.nowMs += 61_000
  await fail(4)

  t.match(await admit('a'), { kind: 'allowed' })
})

t.test('after a while one call probes, and its success closes it for all', async t => {
  const { admit, fail, report, clock, read } = setup(t)
  await fail(5)
  clock.nowMs += 10_000

  t.match(await admit('a'), { kind: 'probe' })
  t.match(await admit('b'), { kind: 'open' })
  t.match(await read(), { state: 'half-open', openForMs: 10_000 })
  t.equal(await report('a', 'success'), 'closed')
  t.match(await admit('b'), { kind: 'allowed' })
})

t.test('a failed probe keeps it open for twice as long, two minutes at most', async t => {
  const { admit, fail, report, clock, read } = setup(t)
  await fail(5)
  const waitsMs: number[] = []

  for (let at = 0; at < 6; at++) {
    const { retryAfterMs } = await read()
    waitsMs.push(retryAfterMs)
    clock.nowMs += retryAfterMs
    await admit(`probe ${at}`)
    await report(`probe ${at}`, 'failure')
  }

  t.strictSame(waitsMs, [10_000, 20_000, 40_000, 80_000, 120_000, 120_000])
})

t.test('a call from before it opened does not close it', async t => {
  const { admit, fail, report } = setup(t)
  await fail(5)

  t.equal(await report('early', 'success'), 'same')
  t.match(await admit('a'), { kind: 'open' })
})

t.test('a probe that was not made, or whose worker died, makes room for another', async t => {
  const { admit, fail, report, clock } = setup(t)
  await fail(5)
  clock.nowMs += 10_000
  await admit('a')
  await report('a', 'refund')

  t.match(await admit('b'), { kind: 'probe' })
  clock.nowMs += 60_000
  t.match(await admit('c'), { kind: 'probe' })
})

t.test('a clock that is set back does not keep it open for longer', async t => {
  const { admit, fail, clock } = setup(t)
  await fail(5)

  clock.nowMs -= 3_600_000
  const refused = await admit('a')

  t.match(refused, { kind: 'open' })
  t.ok('retryAfterMs' in refused && refused.retryAfterMs <= 125_000)
})

t.test('while calls fail there are few further tries, and with time some more (L13)', async t => {
  const { admit, fail, clock } = setup(t)
  const tryAll = async () => {
    const admissions = await Promise.all(Array.from({ length: 20 }, () => admit('a', true)))
    return admissions.filter(({ kind }) => kind === 'allowed').length
  }

  await fail(1)
  t.equal(await tryAll(), 3)
  clock.nowMs += 60_000
  await fail(1)
  t.equal(await tryAll(), 2)
  t.match(await admit('b'), { kind: 'allowed' }, 'a first try is always let through')

  clock.nowMs += 60_000
  t.equal(await tryAll(), 20, 'what an outage left behind is done once nothing fails any more')
})

t.test('two successes pay for one further try, and what was not used is given back', async t => {
  const { admit, fail, report } = setup(t)
  await fail(1)
  for (let at = 0; at < 3; at++) await admit('a', true)
  t.match(await admit('a', true), { kind: 'budget' })

  await report('s', 'success')
  await report('s', 'success')
  t.match(await admit('a', true), { kind: 'allowed' })

  await report('a', 'refund')
  t.match(await admit('a', true), { kind: 'allowed' })
})

t.test('whose probe failed lets another task probe first, but not for ever', async t => {
  const { admit, fail, report, clock } = setup(t)
  await fail(5)
  clock.nowMs += 10_000
  await admit('first')
  await report('first', 'failure')
  clock.nowMs += 20_000

  t.match(await admit('first'), { kind: 'open' })
  clock.nowMs += 5_000
  t.match(await admit('first'), { kind: 'probe' }, 'there is no other')
  await report('first', 'failure')
  clock.nowMs += 40_000
  t.match(await admit('first'), { kind: 'open' })
  t.match(await admit('second'), { kind: 'probe' })
})
