import t from 'tap'
import { openOpenaiImages } from '../src/providers/openai-images.ts'
import {
  failsWith,
  generate,
  setupBench,
  testEveryProvider,
  type Candidate,
} from './provider-conformance.ts'
import { startStub } from './http-stub.ts'
import { samplePicture } from './sample-picture.ts'

const candidate: Candidate = {
  type: 'openai',
  open: openOpenaiImages,
  urlOf: providers => providers.openaiUrl,
  jobFailure: 'moderated',
  request: {
    reference: 'our-id-of-the-call',
    stepType: 'image-gen',
    model: 'gpt-image-1.5',
    prompt: 'a lighthouse in the fog',
    picture: undefined,
  },
}

testEveryProvider(t, candidate)

const pngSignature = '89504e470d0a1a0a'

t.test('a prompt alone makes a picture, under our id of the call', async t => {
  const bench = await setupBench(t, candidate)

  const [output] = await generate(bench)

  t.match(output, { kind: 'bytes' })
  const bytes = output?.kind === 'bytes' ? Buffer.from(output.bytes) : Buffer.alloc(0)
  t.equal(bytes.subarray(0, 8).toString('hex'), pngSignature)
  t.match(bench.providers.calls().calls, [{ clientReference: 'our-id-of-the-call' }])
})

t.test('a prompt with a picture edits the picture', async t => {
  const bench = await setupBench(t, candidate)

  const outputs = await generate({
    ...bench,
    request: { ...bench.request, picture: samplePicture },
  })

  t.match(outputs, [{ kind: 'bytes' }])
  t.equal(bench.providers.calls().providers.openai.submits, 1)
})

t.test('drafts are shown on the way, and the picture is none of them', async t => {
  const bench = await setupBench(t, candidate)
  const drafts: Uint8Array[] = []
  const fractions: number[] = []

  const submission = await bench.provider.submit(
    bench.request,
    new AbortController().signal,
    ({ fraction, draft }) => {
      fractions.push(fraction)
      if (draft !== undefined) drafts.push(draft)
    },
  )

  t.equal(drafts.length, 2)
  t.ok(fractions.every((fraction, index) => fraction > (fractions[index - 1] ?? 0)))
  const outputs = submission.kind === 'finished' ? submission.outputs : []
  t.equal(outputs.length, 1)
  const [output] = outputs
  t.ok(output?.kind === 'bytes' && !drafts.some(draft => Buffer.from(draft).equals(output.bytes)))
})

t.test('events that end in an error are the provider’s, or its rules', async t => {
  const ends = [
    ['moderation_blocked', 'moderated'],
    ['server_error', 'unavailable'],
  ] as const
  for (const [code, kind] of ends) {
    const { url } = await startStub(t, (_request, reply) => {
      reply.writeHead(200, { 'content-type': 'text/event-stream' })
      const data = { error: { code, message: 'no', type: 'server_error' } }
      reply.end(`event: error\ndata: ${JSON.stringify(data)}\n\n`)
    })
    const bench = await setupBench(t, candidate)

    await failsWith(t, generate({ ...bench, provider: bench.openWith({ baseUrl: url }) }), { kind })
  }
})

t.test('a size and a mask are honoured', async t => {
  const bench = await setupBench(t, candidate)
  const edit = { ...bench.request, picture: samplePicture, mask: samplePicture }

  const [output] = await generate({ ...bench, request: { ...edit, size: '1536x1024' } })

  const bytes = output?.kind === 'bytes' ? Buffer.from(output.bytes) : Buffer.alloc(24)
  t.strictSame([bytes.readUInt32BE(16), bytes.readUInt32BE(20)], [1536, 1024])
})

t.test('an account without money is a fault of the operators, not of the moment', async t => {
  const error = { message: 'You exceeded your current quota', code: 'insufficient_quota' }
  const { url } = await startStub(t, (_request, reply) => {
    reply.writeHead(429, { 'content-type': 'application/json' }).end(JSON.stringify({ error }))
  })
  const bench = await setupBench(t, candidate)
  const provider = bench.openWith({ baseUrl: url })

  const work = generate({ ...bench, provider })

  await failsWith(t, work, { kind: 'misconfigured', status: 429, isFinal: true })
})

t.test('there is nothing to go back to: a result that was not taken is expired', async t => {
  const bench = await setupBench(t, candidate)
  const call = { providerRequestId: 'req_1', model: 'gpt-image-1.5' }

  const work = bench.provider.resume(call, new AbortController().signal, () => undefined)

  await failsWith(t, work, { kind: 'expired', isFinal: true })
})
