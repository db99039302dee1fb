import t from 'tap'
import { openFal } from '../src/providers/fal.ts'
import { openReplicate } from '../src/providers/replicate.ts'
import { startStub } from './http-stub.ts'
import { generate, setupBench, type Candidate } from './provider-conformance.ts'
import { samplePicture } from './sample-picture.ts'
import { until } from './until.ts'

const version = '770898f053ca56571e8a49d71f27fc695b6d203e0691baa30d8fbb6954599f2b'
const shared = { reference: 'our-call', prompt: undefined, picture: samplePicture }
const candidates: readonly Candidate[] = [
  {
    type: 'fal',
    open: openFal,
    urlOf: providers => providers.falUrl,
    request: { ...shared, stepType: 'background-remove', model: 'fal-ai/bria/background/remove' },
  },
  {
    type: 'replicate',
    open: openReplicate,
    urlOf: providers => providers.replicateUrl,
    request: { ...shared, stepType: 'point-cloud', model: `vufinder/vggt-1b:${version}` },
  },
]

for (const candidate of candidates) {
  t.test(`${candidate.type} tells of the end at an address that names our call`, async t => {
    const heard: string[] = []
    const { url } = await startStub(t, (request, reply) => {
      heard.push(request.url ?? '')
      reply.end()
    })
    const bench = await setupBench(t, candidate)
    const provider = bench.openWith({ callbackUrl: `${url}/hook` })

    await generate({ ...bench, provider })

    await until(() => heard.length > 0)
    t.strictSame(heard, ['/hook?call=our-call'])
  })

  t.test(`news of a call at ${candidate.type} is followed by a question at once`, async t => {
    const bench = await setupBench(t, candidate)
    const pauses: string[] = []
    const provider = bench.openWith({
      timeouts: { submitMs: 5_000, pollMs: 5_000, pollIntervalMs: 600_000 },
      pause: async providerRequestId => {
        pauses.push(providerRequestId)
        await new Promise(resolve => setTimeout(resolve, 20))
      },
    })

    const outputs = await generate({ ...bench, provider })

    t.equal(outputs.length, 1)
    const [call] = bench.providers.calls().calls.filter(({ operation }) => operation === 'submit')
    t.strictSame([...new Set(pauses)], [call?.id])
  })
}
