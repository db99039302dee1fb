import { startProviders, type Providers } from '@funmagic/simulators/providers'
import type { ProviderType } from '@funmagic/contract/tool'
import type { Test } from 'tap'
import type { ProviderAccount } from '../src/providers/account.ts'
import type { ObserveExchange } from '../src/providers/exchange.ts'
import type {
  FailureKind,
  GenerationRequest,
  Provider,
  ProviderFailure,
  ProviderOutput,
  SubmittedCall,
} from '../src/providers/provider.ts'

/** What the rules need to know about an adapter. */
export interface Candidate {
  readonly type: ProviderType
  readonly open: (account: ProviderAccount) => Provider
  readonly urlOf: (providers: Providers) => string
  readonly request: GenerationRequest
  /** What comes of a job that fails there, where the vendor does not blame the input. */
  readonly jobFailure?: FailureKind
  /** How many outputs it makes; one unless told. */
  readonly outputs?: number
  /** False where the vendor has no way to stop a call. */
  readonly canCancel?: boolean
}

export interface Bench {
  readonly providers: Providers
  readonly provider: Provider
  readonly request: GenerationRequest
  /** What the adapter told about its exchanges. */
  readonly observed: Parameters<ObserveExchange>[0][]
  openWith(changes: Partial<ProviderAccount>): Provider
}

const latencyMs = 50
const timeouts = { submitMs: 5_000, pollMs: 5_000, pollIntervalMs: 10 }
const never = new AbortController().signal

/** The adapter against the vendor's simulator, each test with one of its own. */
export async function setupBench(t: Test, candidate: Candidate): Promise<Bench> {
  const providers = await startProviders({ latencyMs, drainMs: 0 })
  t.teardown(() => providers[Symbol.asyncDispose]())
  const observed: Bench['observed'] = []
  const account: ProviderAccount = {
    apiKey: 'a-key',
    baseUrl: candidate.urlOf(providers),
    timeouts,
    observe: exchange => void observed.push(exchange),
  }
  const openWith = (changes: Partial<ProviderAccount>) => candidate.open({ ...account, ...changes })
  return { providers, provider: openWith({}), request: candidate.request, observed, openWith }
}

/** Submits and waits, as a task does that nothing interrupts. */
export async function generate(
  { provider, request }: Pick<Bench, 'provider' | 'request'>,
  signal: AbortSignal = never,
): Promise<readonly ProviderOutput[]> {
  const submission = await provider.submit(request, signal)
  if (submission.kind === 'finished') return submission.outputs
  const call = { providerRequestId: submission.providerRequestId, model: request.model }
  return provider.resume(call, signal, () => undefined)
}

type Expected = Partial<Omit<ProviderFailure, 'message'>> & { message?: string | RegExp }

/** The work must reject with a ProviderFailure that has these fields. */
export async function failsWith(
  t: Test,
  work: Promise<unknown>,
  expected: Expected,
): Promise<void> {
  const error = await work.then(
    () => new Error('nothing failed'),
    (failure: unknown) => failure,
  )
  t.match(error, { ...expected, name: 'ProviderFailure' })
}

/** For a vendor that gives out ids. */
async function submitCall({ provider, request }: Bench): Promise<SubmittedCall> {
  const submission = await provider.submit(request, never)
  if (submission.kind !== 'accepted') throw new Error('the submission was not queued')
  return { providerRequestId: submission.providerRequestId, model: request.model }
}

/** The rules for everyone. The simulator counts what it was really asked. */
export function testEveryProvider(t: Test, candidate: Candidate): void {
  t.test('makes outputs with one submission', async t => {
    const bench = await setupBench(t, candidate)

    const outputs = await generate(bench)

    t.equal(outputs.length, candidate.outputs ?? 1)
    const tally = bench.providers.calls().providers[candidate.type]
    t.match(tally, { submits: 1, attempts: 1 })
    t.ok(bench.observed.every(({ failure }) => failure === undefined))
  })

  testFailures(t, candidate)
  testAborts(t, candidate)
}

function testFailures(t: Test, candidate: Candidate): void {
  const { type: provider } = candidate
  const failures = [
    ['429', { kind: 'throttled', retryAfterMs: 7_000, isFinal: false }],
    ['429-no-retry-after', { kind: 'throttled', retryAfterMs: undefined, isFinal: false }],
    ['500', { kind: 'unavailable', status: 500, isFinal: false }],
    ['503', { kind: 'unavailable', status: 503, isFinal: false }],
    ['cut', { kind: 'unavailable', isFinal: false }],
    ['reset', { kind: 'unavailable', isFinal: false }],
    ['401', { kind: 'unauthorized', isFinal: true }],
    ['garbage', { kind: 'bad_response', isFinal: true }],
    ['huge', { kind: 'bad_response', isFinal: true }],
  ] as const

  for (const [mode, failure] of failures) {
    t.test(`a submission that meets ${mode} fails once, as ${failure.kind}`, async t => {
      const bench = await setupBench(t, candidate)
      bench.providers.script({ provider, mode, retryAfterSeconds: 7 })

      await failsWith(t, generate(bench), failure)

      t.equal(bench.providers.calls().providers[provider].attempts, 1, 'nothing is tried twice')
      t.match(bench.observed.at(-1), { operation: 'submit', failure: failure.kind })
    })
  }

  t.test('a job that fails is the end of the call', async t => {
    const bench = await setupBench(t, candidate)
    bench.providers.script({ provider, mode: 'fail' })

    const kind = candidate.jobFailure ?? 'rejected'
    await failsWith(t, generate(bench), { kind, isFinal: true })
  })

  t.test('what is against the vendor’s rules is rejected, once', async t => {
    const bench = await setupBench(t, candidate)
    bench.providers.script({ provider, mode: 'moderated' })

    await failsWith(t, generate(bench), { kind: 'moderated', isFinal: true })

    t.equal(bench.providers.calls().providers[provider].attempts, 1)
  })

  t.test('a key that the vendor does not know is a fault of the operators', async t => {
    const bench = await setupBench(t, candidate)
    const stranger = bench.openWith({ apiKey: 'invalid-key' })

    await failsWith(t, generate({ ...bench, provider: stranger }), { kind: 'unauthorized' })

    t.equal(bench.providers.calls().providers[provider].submits, 0)
  })

  t.test('a model that the vendor does not have is a fault of the operators', async t => {
    const bench = await setupBench(t, candidate)
    const request = { ...bench.request, model: 'nobody/nothing' }

    await failsWith(t, generate({ ...bench, request }), { kind: 'misconfigured' })
  })
}

function testAborts(t: Test, candidate: Candidate): void {
  const { type: provider } = candidate
  for (const mode of ['hang', 'stuck'] as const) {
    t.test(`an abort ends a call that meets ${mode} within a second`, async t => {
      const bench = await setupBench(t, candidate)
      bench.providers.script({ provider, mode })
      const controller = new AbortController()
      const reason = new Error('enough')

      const work = generate(bench, controller.signal)
      const outcome = t.rejects(work, reason)
      await isSubmitted(bench.providers, provider)
      const abortedAtMs = performance.now()
      controller.abort(reason)
      await outcome

      t.ok(performance.now() - abortedAtMs < 1_000)
    })
  }
}

async function isSubmitted(providers: Providers, provider: Candidate['type']): Promise<void> {
  const deadlineMs = performance.now() + 5_000
  while (providers.calls().providers[provider].attempts === 0) {
    if (performance.now() > deadlineMs) throw new Error('nothing was submitted')
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

/** The rules for vendors that queue a call and give it an id. */
export function testQueueingProvider(t: Test, candidate: Candidate): void {
  const { type: provider } = candidate

  t.test('a submission without an answer is over after its time', async t => {
    const bench = await setupBench(t, candidate)
    bench.providers.script({ provider, mode: 'hang' })
    const impatient = bench.openWith({ timeouts: { ...timeouts, submitMs: 300 } })

    const work = generate({ ...bench, provider: impatient })

    await failsWith(t, work, { kind: 'timed_out', isFinal: false })
    t.equal(bench.providers.calls().providers[provider].attempts, 1)
  })

  t.test('a call is waited for by its id alone, without another submission', async t => {
    const bench = await setupBench(t, candidate)
    const call = await submitCall(bench)
    const other = bench.openWith({})
    const progress: number[] = []

    const outputs = await other.resume(call, never, ({ fraction }) => progress.push(fraction))

    t.equal(outputs[0]?.kind, 'address')
    t.equal(bench.providers.calls().providers[provider].submits, 1)
    t.ok(progress.length > 0)
    t.strictSame(
      progress,
      progress.toSorted((a, b) => a - b),
      'progress never falls',
    )
  })

  testPolling(t, candidate)
  if (candidate.canCancel ?? true) testCancel(t, candidate)
}

function testPolling(t: Test, candidate: Candidate): void {
  const { type: provider } = candidate

  t.test('a few questions that fail in a row do not end the wait', async t => {
    const bench = await setupBench(t, candidate)
    const call = await submitCall(bench)
    bench.providers.script({ provider, operation: 'status', mode: '500', times: 2 })
    bench.providers.script({ provider, operation: 'status', mode: '429', retryAfterSeconds: 0 })

    const outputs = await bench.provider.resume(call, never, () => undefined)

    t.equal(outputs.length, candidate.outputs ?? 1)
  })

  t.test('many questions that fail in a row end the wait, and not the call', async t => {
    const bench = await setupBench(t, candidate)
    const call = await submitCall(bench)
    bench.providers.script({ provider, operation: 'status', mode: '500', times: 4 })

    const work = bench.provider.resume(call, never, () => undefined)

    await failsWith(t, work, { kind: 'unavailable', isFinal: false })
    const outputs = await bench.provider.resume(call, never, () => undefined)
    t.equal(outputs.length, candidate.outputs ?? 1)
  })

  t.test('a call that the vendor does not have is expired', async t => {
    const bench = await setupBench(t, candidate)
    const call = { providerRequestId: 'nothing', model: bench.request.model }

    const work = bench.provider.resume(call, never, () => undefined)

    await failsWith(t, work, { kind: 'expired', isFinal: true })
  })
}

function testCancel(t: Test, candidate: Candidate): void {
  const { type: provider } = candidate

  t.test('a call that is canceled there ends for whoever waits for it', async t => {
    const bench = await setupBench(t, candidate)
    bench.providers.script({ provider, mode: 'stuck' })
    const call = await submitCall(bench)

    await bench.provider.cancel(call, never)

    const work = bench.provider.resume(call, never, () => undefined)
    await failsWith(t, work, { kind: 'canceled', isFinal: true })
    t.equal(bench.providers.calls().providers[provider].open, 0)
  })

  t.test('canceling what is over changes nothing', async t => {
    const bench = await setupBench(t, candidate)
    const call = await submitCall(bench)
    await bench.provider.resume(call, never, () => undefined)

    await bench.provider.cancel(call, never)

    const outputs = await bench.provider.resume(call, never, () => undefined)
    t.equal(outputs.length, candidate.outputs ?? 1)
  })
}
