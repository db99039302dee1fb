import t from 'tap'
import { openFal } from '../src/providers/fal.ts'
import {
  failsWith,
  generate,
  setupBench,
  testEveryProvider,
  testQueueingProvider,
  type Candidate,
} from './provider-conformance.ts'
import { samplePicture } from './sample-picture.ts'

const candidate: Candidate = {
  type: 'fal',
  open: openFal,
  urlOf: providers => providers.falUrl,
  request: {
    reference: 'a-call',
    stepType: 'background-remove',
    model: 'fal-ai/bria/background/remove',
    prompt: undefined,
    picture: samplePicture,
  },
}

testEveryProvider(t, candidate)
testQueueingProvider(t, candidate)

t.test('an upload that fails is tried once, and nothing is submitted', async t => {
  const bench = await setupBench(t, candidate)
  bench.providers.script({ provider: 'fal', operation: 'upload', mode: '503' })

  await failsWith(t, generate(bench), { kind: 'unavailable', status: 503 })

  const { calls } = bench.providers.calls()
  t.equal(calls.filter(({ operation }) => operation === 'upload').length, 1)
  t.equal(calls.filter(({ operation }) => operation === 'submit').length, 0)
})

t.test('a picture that fal cannot read is rejected', async t => {
  const bench = await setupBench(t, candidate)
  const picture = { ...samplePicture, bytes: new Uint8Array([1, 2, 3]) }

  const work = generate({ ...bench, request: { ...bench.request, picture } })

  await failsWith(t, work, { kind: 'rejected', status: 422, isFinal: true })
})

t.test('a step that fal does not run is refused before anything is sent', async t => {
  const bench = await setupBench(t, candidate)

  const work = generate({ ...bench, request: { ...bench.request, stepType: 'image-gen' } })

  await failsWith(t, work, { kind: 'misconfigured' })
  t.equal(bench.providers.calls().calls.length, 0)
})
