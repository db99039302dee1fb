import { StoreFailure } from '@funmagic/asset/object-store'
import t from 'tap'
import { Denial } from '../src/denial.ts'
import { Interruption } from '../src/interruption.ts'
import { failureKinds, ProviderFailure, type FailureKind } from '../src/providers/provider.ts'
import {
  describeError,
  judge,
  retryPolicyOf,
  TaskFault,
  type RetryPolicy,
  type TriedTask,
} from '../src/verdict.ts'

const policy: RetryPolicy = {
  retriesMax: 3,
  rateLimitsMax: 10,
  baseDelayMs: 1_000,
  delayMaxMs: 60_000,
}
const fresh: TriedTask = {
  retries: 0,
  rateLimitAttempts: 0,
  remainingMs: 600_000,
  isFree: false,
}

t.test('whoever lost the task says nothing about it', async t => {
  t.strictSame(judge(new Interruption('superseded'), fresh, policy, 0), { kind: 'discard' })
})

t.test('a stopping worker hands back, however often the task was tried', async t => {
  const verdict = judge(new Interruption('stopping'), { ...fresh, retries: 3 }, policy, 0)

  t.strictSame(verdict, { kind: 'handBack' })
})

const kinds: [FailureKind, boolean][] = [
  ['rejected', true],
  ['moderated', true],
  ['failed', true],
  ['unauthorized', true],
  ['misconfigured', true],
  ['bad_response', true],
  ['expired', true],
  ['canceled', true],
  ['throttled', false],
  ['unavailable', false],
  ['timed_out', false],
]
for (const [kind, isFinal] of kinds) {
  t.test(`a provider's failure of kind ${kind} is ${isFinal ? '' : 'not '}final`, async t => {
    const verdict = judge(new ProviderFailure(kind, 'no'), fresh, policy, 0)

    const { code } = failureKinds[kind]
    t.match(verdict, isFinal ? { kind: 'fail', code } : { kind: 'again' })
    const worn = { ...fresh, retries: 3, rateLimitAttempts: 10 }
    t.match(judge(new ProviderFailure(kind, 'no'), worn, policy, 0), { kind: 'fail', code })
  })
}

t.test(
  'an outage of our own store fails no task before its deadline, if waiting is free',
  async t => {
    const failure = new StoreFailure(new Error('connection reset'))
    const worn = { ...fresh, retries: 3 }
    const waiting = { ...worn, isFree: true }

    const again = { kind: 'again', counts: 'nothing', delayMs: 8_000 }
    t.strictSame(judge(failure, waiting, policy, 0), again)
    t.match(judge(failure, { ...waiting, remainingMs: 5_000 }, policy, 0), { kind: 'fail' })
    // What it paid for lies nowhere: each further try would be paid for again.
    t.match(judge(failure, fresh, policy, 0), { kind: 'again', counts: 'retry' })
    t.match(judge(failure, worn, policy, 0), { kind: 'fail', code: 'INTERNAL_ERROR' })
  },
)

t.test('delays double, spread by a quarter at most', async t => {
  const failure = new ProviderFailure('unavailable', 'no')
  const delays = [0, 1, 2].map(retries => [
    judge(failure, { ...fresh, retries }, policy, 0),
    judge(failure, { ...fresh, retries }, policy, 1),
  ])

  t.match(delays, [
    [{ delayMs: 1_000 }, { delayMs: 1_250 }],
    [{ delayMs: 2_000 }, { delayMs: 2_500 }],
    [{ delayMs: 4_000 }, { delayMs: 5_000 }],
  ])
})

t.test('the third retry is the last', async t => {
  const failure = new ProviderFailure('unavailable', 'no')
  const worn = { ...fresh, retries: 3 }

  t.match(judge(failure, worn, policy, 0), { kind: 'fail', code: 'PROVIDER_UNAVAILABLE' })
})

t.test('answers of 429 are counted apart, and bounded as well (TR4)', async t => {
  const failure = new ProviderFailure('throttled', 'no')
  const tried = (changes: Partial<TriedTask>) => judge(failure, { ...fresh, ...changes }, policy, 0)

  t.match(tried({ retries: 3 }), { kind: 'again', counts: 'rateLimit', delayMs: 1_000 })
  t.match(tried({ rateLimitAttempts: 4 }), { kind: 'again', delayMs: 16_000 })
  t.match(tried({ rateLimitAttempts: 9 }), { kind: 'again', delayMs: 60_000 })
  t.match(tried({ rateLimitAttempts: 10 }), { kind: 'fail', code: 'PROVIDER_BUSY' })
})

t.test('a provider gets the time that it asks for', async t => {
  const asking = (retryAfterMs: number) =>
    judge(new ProviderFailure('throttled', 'no', { retryAfterMs }), fresh, policy, 0)

  t.match(asking(20_000), { delayMs: 20_000 })
  t.match(asking(0), { delayMs: 1_000 })
  t.match(asking(300_000), { delayMs: 300_000 })
})

t.test('a delay that ends after the deadline is not begun', async t => {
  const late = { ...fresh, remainingMs: 900 }
  const busy = new ProviderFailure('throttled', 'no', { retryAfterMs: 1 })

  t.match(judge(busy, late, policy, 0), { kind: 'fail', code: 'PROVIDER_BUSY' })
  t.match(judge(new Denial('full', 5_000), late, policy, 0), {
    kind: 'fail',
    code: 'PROVIDER_BUSY',
  })
  t.match(judge(new Error('a bug'), late, policy, 0), { kind: 'fail', code: 'INTERNAL_ERROR' })
})

t.test('a denial is no try, and comes back after a pause however short the one asked', async t => {
  const worn = { ...fresh, retries: 3, rateLimitAttempts: 10 }
  const denied = (retryAfterMs: number) => judge(new Denial('full', retryAfterMs), worn, policy, 0)

  t.match(denied(4_000), { kind: 'again', counts: 'nothing', delayMs: 4_000 })
  t.match(denied(0), { kind: 'again', counts: 'nothing', delayMs: 250 })
})

t.test('a fault of the task is final, and a fault of ours is tried again', async t => {
  const fault = new TaskFault('INPUT_UNAVAILABLE', 'gone')

  t.match(judge(fault, fresh, policy, 0), { kind: 'fail', code: 'INPUT_UNAVAILABLE' })
  t.match(judge(new Error('a bug'), fresh, policy, 0), { kind: 'again', counts: 'retry' })
  t.match(judge('a string', { ...fresh, retries: 3 }, policy, 0), {
    kind: 'fail',
    code: 'INTERNAL_ERROR',
  })
})

t.test('operators read an error with its causes and without its stack', async t => {
  const cause = new ProviderFailure('unavailable', 'status was answered with 503')
  const error = new TaskFault('PROVIDER_TIMEOUT', 'the time is over', { cause })

  const text = describeError(error)

  t.equal(text, 'the time is over ← unavailable: status was answered with 503')
  t.equal(describeError(undefined), 'something that is not an Error')
})

t.test('a provider’s own policy replaces the general one, field by field (V5)', async t => {
  const throttled = new ProviderFailure('throttled', 'busy')
  const away = new ProviderFailure('unavailable', 'away')

  t.strictSame(retryPolicyOf(policy), policy)
  t.strictSame(retryPolicyOf(policy, { maxConcurrency: 2 }), policy)
  const never = retryPolicyOf(policy, { retryOn429: false, maxRetries: 0 })
  t.match(judge(throttled, fresh, never, 0), { kind: 'fail', code: 'PROVIDER_BUSY' })
  t.match(judge(away, fresh, never, 0), { kind: 'fail', code: 'PROVIDER_UNAVAILABLE' })
  const often = retryPolicyOf(policy, { maxRetries: 10, baseBackoffMs: 100 })
  const worn = { ...fresh, retries: 9 }
  t.match(judge(away, fresh, often, 0), { kind: 'again', counts: 'retry', delayMs: 100 })
  t.match(judge(away, worn, often, 0), { kind: 'again', counts: 'retry' })
  t.match(judge(away, { ...worn, retries: 10 }, often, 0), { kind: 'fail' })
  t.match(judge(throttled, fresh, often, 0), { kind: 'again', counts: 'rateLimit', delayMs: 100 })
})
