import fc from 'fast-check'
import t from 'tap'
import { createProvider, leaseMs, windowMs } from './limiter-fixture.ts'

interface TaskStep {
  readonly kind: 'acquire' | 'resume' | 'release' | 'renew' | 'crash'
  readonly task: number
}

type Step =
  | TaskStep
  | { readonly kind: 'wait' | 'clock back'; readonly ms: number }
  | { readonly kind: 'throttled' }

const task = fc.nat({ max: 9 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('acquire' as const), task }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('resume' as const), task }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('release' as const), task }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('renew' as const), task }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const), task }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(20_000) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('clock back' as const), ms: fc.nat(90_000) }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'throttled' as const }) },
)

t.test('in any sequence of events the limits hold and no slot stays behind (T12, T13)', async t => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 60 }),
      fc.array(step, { minLength: 20, maxLength: 120 }),
      async (maxConcurrency, maxPerMinute, steps) => {
        const limits = { maxConcurrency, maxPerMinute }
        const at = createProvider({ teardown: () => undefined }, limits)
        const oracle = new Oracle(at, limits)
        try {
          for (const event of steps) await oracle.play(event)
          oracle.assertWindows()
          // Twice: what a clock set back left in the future is brought to the present first.
          for (const attempt of [1, 2]) {
            at.clock.nowMs += leaseMs + 1
            await at.acquire('last', attempt)
            await at.release('last', attempt)
          }
          return (await at.slots()) === 0
        } finally {
          await at.clear()
        }
      },
    ),
    { numRuns: 200 },
  )
  t.pass('200 random sequences')
})

interface OracleLimits {
  readonly maxConcurrency: number
  readonly maxPerMinute: number
}

/** Knows by itself who holds a slot and what was admitted when. */
class Oracle {
  readonly #at: ReturnType<typeof createProvider>
  readonly #limits: OracleLimits
  readonly #held = new Map<number, { readonly attempt: number; renewedMs: number }>()
  readonly #attempts = new Map<number, number>()
  readonly #admitted: number[] = []
  #jumps = 0

  constructor(at: ReturnType<typeof createProvider>, limits: OracleLimits) {
    this.#at = at
    this.#limits = limits
  }

  async play(event: Step): Promise<void> {
    const { clock, limiter, providerId } = this.#at
    if (event.kind === 'wait') clock.nowMs += event.ms
    if (event.kind === 'throttled') await limiter.coolDown(providerId, 100)
    if (event.kind === 'clock back') {
      clock.nowMs -= event.ms
      this.#jumps++
      for (const slot of this.#held.values()) {
        slot.renewedMs = Math.min(slot.renewedMs, clock.nowMs)
      }
    }
    if (event.kind === 'acquire' || event.kind === 'resume') await this.#acquire(event)
    if (event.kind === 'release' || event.kind === 'renew') await this.#goOn(event)
  }

  async #acquire({ kind, task }: TaskStep): Promise<void> {
    const attempt = (this.#attempts.get(task) ?? 0) + 1
    this.#attempts.set(task, attempt)
    const decision = await this.#at.acquire(`t${task}`, attempt, kind === 'resume')
    this.#expire()
    if (decision.kind !== 'allowed') return
    this.#held.set(task, { attempt, renewedMs: this.#at.clock.nowMs })
    if (kind === 'acquire') this.#admitted.push(this.#at.clock.nowMs)
    const isOver = this.#held.size > this.#limits.maxConcurrency
    if (isOver) throw new Error(`${this.#held.size} at once`)
  }

  async #goOn({ kind, task }: TaskStep): Promise<void> {
    this.#expire()
    const own = this.#held.get(task)
    if (own === undefined) return
    if (kind === 'renew') {
      await this.#at.renew(`t${task}`, own.attempt)
      own.renewedMs = this.#at.clock.nowMs
    } else {
      await this.#at.release(`t${task}`, own.attempt)
      this.#held.delete(task)
    }
  }

  #expire(): void {
    for (const [task, { renewedMs }] of this.#held) {
      if (renewedMs < this.#at.clock.nowMs - leaseMs) this.#held.delete(task)
    }
  }

  assertWindows(): void {
    if (this.#jumps > 0) return
    for (const fromMs of this.#admitted) {
      const count = this.#admitted.filter(ms => ms >= fromMs && ms < fromMs + windowMs).length
      if (count > this.#limits.maxPerMinute) throw new Error(`${count} within a window`)
    }
  }
}

t.test('a hundred thousand acquisitions, refusals and crashes leave no slot behind', async t => {
  const { acquire, release, clock, slots } = createProvider(t, { maxConcurrency: 5 })
  const random = xorshift(20_261_121)
  const holding: { holder: string; attempt: number }[] = []
  const acquireOnce = async (number: number) => {
    const holder = `t${random() % 50}`
    const { kind } = await acquire(holder, number)
    if (kind === 'allowed') holding.push({ holder, attempt: number })
  }

  for (let number = 0; number < 100_000; number += 20) {
    clock.nowMs += random() % 3_000
    const leaving = holding.splice(0, random() % 6)
    await Promise.all([
      ...Array.from({ length: 20 }, (_, at) => acquireOnce(number + at)),
      // A third of them crash: nobody releases those slots.
      ...leaving.filter(() => random() % 3 > 0).map(one => release(one.holder, one.attempt)),
    ])
  }
  clock.nowMs += leaseMs + 1
  await acquire('last', 1)
  await release('last', 1)

  t.equal(await slots(), 0)
})

/** Marsaglia's generator: the same numbers in every run. */
function xorshift(seed: number): () => number {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}
