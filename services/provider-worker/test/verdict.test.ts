import t from 'tap'
import { Interruption } from '../src/interruption.ts'
import { failureKinds, ProviderFailure, type FailureKind } from '../src/providers/provider.ts'
import { describeError, judge, TaskFault, type RetryPolicy } from '../src/verdict.ts'

const policy: RetryPolicy = { retriesMax: 3, baseDelayMs: 1_000, delayMaxMs: 60_000 }
const fresh = { retries: 0 }

t.test('whoever lost the task says nothing about it', async t => {
  t.strictSame(judge(new Interruption('superseded'), fresh, policy, 0), { kind: 'discard' })
})

t.test('a stopping worker hands back, however often the task was tried', async t => {
  const verdict = judge(new Interruption('stopping'), { retries: 3 }, policy, 0)

  t.strictSame(verdict, { kind: 'handBack' })
})

const kinds: [FailureKind, boolean][] = [
  ['rejected', true],
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

    t.match(verdict, { kind: isFinal ? 'fail' : 'retry', code: failureKinds[kind].code })
  })
}

t.test('delays double, spread by a quarter at most', async t => {
  const failure = new ProviderFailure('unavailable', 'no')
  const delays = [0, 1, 2].map(retries => [
    judge(failure, { retries }, policy, 0),
    judge(failure, { retries }, policy, 1),
  ])

  t.match(delays, [
    [{ delayMs: 1_000 }, { delayMs: 1_250 }],
    [{ delayMs: 2_000 }, { delayMs: 2_500 }],
    [{ delayMs: 4_000 }, { delayMs: 5_000 }],
  ])
})

t.test('the third retry is the last', async t => {
  const failure = new ProviderFailure('throttled', 'no')

  t.match(judge(failure, { retries: 3 }, policy, 0), { kind: 'fail', code: 'PROVIDER_BUSY' })
})

t.test('a provider gets the time that it asks for, up to a limit', async t => {
  const asking = (retryAfterMs: number) =>
    judge(new ProviderFailure('throttled', 'no', { retryAfterMs }), fresh, policy, 0)

  t.match(asking(20_000), { delayMs: 20_000 })
  t.match(asking(0), { delayMs: 1_000 })
  t.match(asking(3_600_000), { delayMs: 60_000 })
})

t.test('a fault of the task is final, and a fault of ours is tried again', async t => {
  const fault = new TaskFault('INPUT_UNAVAILABLE', 'gone')

  t.match(judge(fault, fresh, policy, 0), { kind: 'fail', code: 'INPUT_UNAVAILABLE' })
  t.match(judge(new Error('a bug'), fresh, policy, 0), { kind: 'retry', code: 'INTERNAL_ERROR' })
  t.match(judge('a string', { retries: 3 }, policy, 0), { kind: 'fail', code: 'INTERNAL_ERROR' })
})

t.test('operators read an error with its causes and without its stack', async t => {
  const cause = new ProviderFailure('unavailable', 'status was answered with 503')
  const error = new TaskFault('PROVIDER_TIMEOUT', 'the time is over', { cause })

  const text = describeError(error)

  t.equal(text, 'the time is over ← unavailable: status was answered with 503')
  t.equal(describeError(undefined), 'something that is not an Error')
})
