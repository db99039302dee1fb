import t from 'tap'
import { openTripo } from '../src/providers/tripo.ts'
import {
  failsWith,
  generate,
  setupBench,
  testEveryProvider,
  testQueueingProvider,
  type Candidate,
} from './provider-conformance.ts'
import { samplePicture } from './sample-picture.ts'
import { startStub } from './http-stub.ts'

const candidate: Candidate = {
  type: 'tripo',
  open: openTripo,
  urlOf: providers => providers.tripoUrl,
  request: {
    reference: 'a-call',
    stepType: '3d-gen',
    model: 'tripo-v2',
    prompt: undefined,
    picture: samplePicture,
  },
  jobFailure: 'failed',
  outputs: 2,
  canCancel: false,
}

testEveryProvider(t, candidate)
testQueueingProvider(t, candidate)

t.test('a picture becomes a model and, beside it, a picture of the model', async t => {
  const bench = await setupBench(t, candidate)

  const outputs = await generate(bench)

  t.match(outputs, [
    { kind: 'address', url: /model\.glb$/, isExtra: undefined },
    { kind: 'address', url: /rendered\.webp$/, isExtra: true },
  ])
})

t.test('words become a model as well', async t => {
  const bench = await setupBench(t, candidate)
  const request = { ...bench.request, picture: undefined, prompt: 'a small cat' }

  t.match(await generate({ ...bench, request }), [{ kind: 'address' }, { isExtra: true }])
})

t.test('a seed and what is not wanted are sent in Tripo’s names', async t => {
  let order = ''
  const { url } = await startStub(t, async (request, reply) => {
    for await (const chunk of request) order += String(chunk)
    reply.end(JSON.stringify({ code: 0, data: { task_id: 'a' } }))
  })
  const bench = await setupBench(t, candidate)
  const words = { picture: undefined, prompt: 'a cat', negativePrompt: 'a dog', seed: 7 }

  await bench
    .openWith({ baseUrl: url })
    .submit({ ...bench.request, ...words }, new AbortController().signal)

  t.strictSame(JSON.parse(order), {
    type: 'text_to_model',
    model_version: 'v2.5-20250123',
    model_seed: 7,
    prompt: 'a cat',
    negative_prompt: 'a dog',
  })
})

t.test('what is not one of the two is refused before anything is sent', async t => {
  const bench = await setupBench(t, candidate)

  const both = generate({ ...bench, request: { ...bench.request, prompt: 'a small cat' } })
  await failsWith(t, both, { kind: 'misconfigured' })
  const painting = generate({ ...bench, request: { ...bench.request, stepType: 'image-gen' } })
  await failsWith(t, painting, { kind: 'misconfigured' })

  t.equal(bench.providers.calls().calls.length, 0)
})

const ends = [
  ['expired', 'expired'],
  ['cancelled', 'canceled'],
  ['unknown', 'failed'],
  ['banned', 'moderated'],
  ['exploded', 'bad_response'],
] as const
for (const [status, kind] of ends) {
  t.test(`a task that is ${status} ends the call as ${kind}`, async t => {
    const { url } = await startStub(t, (_request, reply) => {
      reply.end(JSON.stringify({ code: 0, data: { task_id: 'a', status, output: {} } }))
    })
    const bench = await setupBench(t, candidate)
    const provider = bench.openWith({ baseUrl: url })
    const call = { providerRequestId: 'a', model: 'tripo-v2' }

    const work = provider.resume(call, new AbortController().signal, () => undefined)

    await failsWith(t, work, { kind, isFinal: true })
  })
}

const refusals = [
  [403, 2010, 'misconfigured'],
  [400, 2015, 'misconfigured'],
  [400, 2008, 'moderated'],
  [400, 2004, 'rejected'],
  [500, 2014, 'unavailable'],
  [429, 2000, 'throttled'],
] as const
for (const [status, code, kind] of refusals) {
  t.test(`an order that is answered with ${status} and code ${code} is ${kind}`, async t => {
    const { url } = await startStub(t, (_request, reply) => {
      reply.writeHead(status).end(JSON.stringify({ code, message: 'no', suggestion: 'none' }))
    })
    const bench = await setupBench(t, candidate)

    const work = generate({ ...bench, provider: bench.openWith({ baseUrl: url }) })

    await failsWith(t, work, { kind, status })
  })
}
