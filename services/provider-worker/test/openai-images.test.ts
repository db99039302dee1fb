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
