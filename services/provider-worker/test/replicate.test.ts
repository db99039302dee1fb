import t from 'tap'
import { openReplicate } from '../src/providers/replicate.ts'
import {
  failsWith,
  generate,
  setupBench,
  testEveryProvider,
  testQueueingProvider,
  type Candidate,
} from './provider-conformance.ts'
import { samplePicture } from './sample-picture.ts'

const version = '770898f053ca56571e8a49d71f27fc695b6d203e0691baa30d8fbb6954599f2b'
const candidate: Candidate = {
  type: 'replicate',
  open: openReplicate,
  urlOf: providers => providers.replicateUrl,
  request: {
    reference: 'a-call',
    stepType: 'point-cloud',
    model: `vufinder/vggt-1b:${version}`,
    prompt: undefined,
    picture: samplePicture,
  },
}

testEveryProvider(t, candidate)
testQueueingProvider(t, candidate)

t.test('the output of a point cloud is the cloud, not the numbers beside it', async t => {
  const bench = await setupBench(t, candidate)

  const outputs = await generate(bench)

  t.match(outputs, [{ kind: 'address', url: /point_cloud\.ply$/ }])
})

t.test('a step that Replicate does not run is refused before anything is sent', async t => {
  const bench = await setupBench(t, candidate)

  const work = generate({ ...bench, request: { ...bench.request, picture: undefined } })

  await failsWith(t, work, { kind: 'misconfigured' })
  t.equal(bench.providers.calls().calls.length, 0)
})
