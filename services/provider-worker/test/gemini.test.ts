import t from 'tap'
import { openGemini } from '../src/providers/gemini.ts'
import { startStub } from './http-stub.ts'
import {
  failsWith,
  generate,
  setupBench,
  testEveryProvider,
  type Candidate,
} from './provider-conformance.ts'
import { samplePicture } from './sample-picture.ts'

const candidate: Candidate = {
  type: 'google',
  open: openGemini,
  urlOf: providers => providers.googleUrl,
  request: {
    reference: 'our-id-of-the-call',
    stepType: 'image-gen',
    model: 'gemini-2.5-flash-image',
    prompt: 'a lighthouse in the fog',
    picture: undefined,
  },
}

testEveryProvider(t, candidate)

t.test('a prompt with a picture makes another picture of it', async t => {
  const bench = await setupBench(t, candidate)

  const plain = await generate(bench)
  const edited = await generate({ ...bench, request: { ...bench.request, picture: samplePicture } })

  t.match([...plain, ...edited], [{ kind: 'bytes' }, { kind: 'bytes' }])
  t.equal(bench.providers.calls().providers.google.submits, 2)
})

t.test('a size is asked for by its ratio, and one that it has not is not sent', async t => {
  const bench = await setupBench(t, candidate)

  const [output] = await generate({ ...bench, request: { ...bench.request, size: '1344x768' } })
  const other = generate({ ...bench, request: { ...bench.request, size: '31x31' } })

  const bytes = output?.kind === 'bytes' ? Buffer.from(output.bytes) : Buffer.alloc(24)
  t.strictSame([bytes.readUInt32BE(16), bytes.readUInt32BE(20)], [1344, 768])
  await failsWith(t, other, { kind: 'misconfigured' })
})

t.test('an answer in words alone has no picture', async t => {
  const bench = await setupBench(t, candidate)
  bench.providers.script({ provider: 'google', mode: 'missing-output' })

  await failsWith(t, generate(bench), { kind: 'bad_response', isFinal: true })
})

t.test('how long to wait is read from the body too', async t => {
  const details = [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '7.5s' }]
  const { url } = await startStub(t, (_request, reply) => {
    const error = { code: 429, message: 'Quota', status: 'RESOURCE_EXHAUSTED', details }
    reply.writeHead(429, { 'content-type': 'application/json' }).end(JSON.stringify({ error }))
  })
  const bench = await setupBench(t, candidate)

  const work = generate({ ...bench, provider: bench.openWith({ baseUrl: url }) })

  await failsWith(t, work, { kind: 'throttled', retryAfterMs: 7_500 })
})

t.test('a draft on the way to the picture is not the picture', async t => {
  const part = (data: string) => ({ inlineData: { mimeType: 'image/png', data } })
  const parts = [{ ...part('ZHJhZnQ='), thought: true }, part('ZmluYWw=')]
  const { url } = await startStub(t, (_request, reply) => {
    const body = { candidates: [{ content: { parts }, finishReason: 'STOP' }] }
    reply.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  const bench = await setupBench(t, candidate)

  const outputs = await generate({ ...bench, provider: bench.openWith({ baseUrl: url }) })

  t.strictSame(outputs, [{ kind: 'bytes', bytes: Buffer.from('final') }])
})

t.test('there is nothing to go back to: a result that was not taken is expired', async t => {
  const bench = await setupBench(t, candidate)
  const call = { providerRequestId: 'a', model: 'gemini-2.5-flash-image' }

  const work = bench.provider.resume(call, new AbortController().signal, () => undefined)

  await failsWith(t, work, { kind: 'expired', isFinal: true })
})
