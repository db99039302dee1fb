import Replicate, { parseProgressFromLogs } from 'replicate'
import sharp from 'sharp'
import t, { type Test } from 'tap'
import { startProviders } from '../src/providers/providers.ts'
import { download, samplePhoto } from './samples.ts'
import { until } from './target.ts'

const version = '770898f053ca56571e8a49d71f27fc695b6d203e0691baa30d8fbb6954599f2b'

async function setup(t: Test, auth = 'r8_simulated', latencyMs = 20) {
  const providers = await startProviders({ latencyMs, drainMs: 0 })
  t.teardown(() => providers[Symbol.asyncDispose]())
  const client = new Replicate({ auth, baseUrl: providers.replicateUrl })
  return { providers, client }
}

interface Output {
  readonly data: string[]
  readonly point_cloud: string
}

t.test('a photo becomes a point cloud that a viewer can read', async t => {
  const { client } = await setup(t)
  const photo = new Blob([new Uint8Array(await samplePhoto())], { type: 'image/jpeg' })

  const output = (await client.run(`vufinder/vggt-1b:${version}`, {
    input: { images: [photo], return_pcd: true, pcd_source: 'point_head' },
    wait: { mode: 'poll', interval: 5 },
  })) as Output
  const ply = (await download(output.point_cloud)).bytes
  const header = ply.subarray(0, ply.indexOf('end_header\n') + 11).toString()
  const count = Number(/element vertex (\d+)/.exec(header)?.[1])
  const at = header.length + Math.floor(count / 2 + 100) * 15

  t.match(header, /^ply\nformat binary_little_endian 1\.0\n/)
  t.equal(ply.length, header.length + count * 15, 'three floats and three bytes for each point')
  t.ok(count > 10_000 && count <= 60_000, `${count} points`)
  t.ok(Math.abs(ply.readFloatLE(at)) < 2 && ply.readFloatLE(at + 8) < 0)
  t.equal(output.data.length, 1)
})

t.test('the data of each picture has its points, as lists or as tensors', async t => {
  const { client } = await setup(t)
  const photo = `data:image/jpeg;base64,${(await samplePhoto()).toString('base64')}`
  const run = async (input: object) => {
    const prediction = await client.predictions.create({ version, input, wait: 5 })
    const url: string = prediction.output.data[0]
    return JSON.parse((await download(url)).bytes.toString())
  }

  const lists = await run({ images: [photo] })
  const tensors = await run({ inputs: [photo], to_base64: true })
  const { shape, dtype, data } = tensors.world_points
  const [height = 0, width = 0] = shape

  t.match([shape, dtype], [[183, 244, 3], 'float32'])
  t.equal(Buffer.from(data, 'base64').length, height * width * 3 * 4)
  t.match([lists.world_points.length, lists.world_points[0].length], [height, width])
  t.equal(lists.world_points[0][0].length, 3)
  t.equal(lists.world_points_conf[5].length, width)
})

t.test('what is transparent in the picture is not in the cloud', async t => {
  const { client } = await setup(t)
  const photo = await samplePhoto()
  const clear = await sharp(photo).ensureAlpha(0).png().toBuffer()
  const [first, second] = [photo, clear].map(bytes => `data:;base64,${bytes.toString('base64')}`)
  const countOf = async (image = '') => {
    const input = { images: [image] }
    const prediction = await client.predictions.create({ version, input, wait: 5 })
    const { bytes } = await download(prediction.output.point_cloud)
    return Number(/element vertex (\d+)/.exec(bytes.toString('latin1'))?.[1])
  }

  t.ok((await countOf(first)) > 10_000)
  t.equal(await countOf(second), 0)
})

t.test('a prediction starts, tells its progress, and succeeds with its times', async t => {
  const { client } = await setup(t, 'r8_simulated', 600)
  const input = { images: [`data:;base64,${(await samplePhoto()).toString('base64')}`] }

  const created = await client.predictions.create({ version, input })
  const states = new Set<string>([created.status])
  let last = created
  await until(async () => {
    last = await client.predictions.get(created.id)
    states.add(last.status)
    return last.status === 'succeeded'
  })
  const progress = parseProgressFromLogs(last)

  t.match(created, { status: 'starting', output: null, error: null, source: 'api' })
  t.equal(created.urls.get, `${client.baseUrl}/predictions/${created.id}`)
  t.same([...states], ['starting', 'processing', 'succeeded'])
  t.match(progress, { percentage: 1, current: 4, total: 4 })
  t.match(last, { started_at: String, completed_at: String })
  t.ok((last.metrics?.predict_time ?? 0) > 0.1)
  t.match((await client.predictions.list()).results, [{ id: created.id }])
})

t.test('a prediction can be cancelled until it is over', async t => {
  const { client, providers } = await setup(t, 'r8_simulated', 60_000)
  const input = { images: ['data:,x'] }

  const created = await client.predictions.create({ version, input })
  const canceled = await client.predictions.cancel(created.id)
  const again = await client.predictions.cancel(created.id)

  t.match(canceled, { status: 'canceled', completed_at: String, output: null })
  t.equal(again.completed_at, canceled.completed_at)
  t.match(providers.calls().providers.replicate, { submits: 1, open: 0, openMax: 1 })
})

t.test('an official model runs by its name, a community model only by its version', async t => {
  const { client } = await setup(t)
  const flux = 'black-forest-labs/flux-schnell'
  const input = { prompt: 'a boat' }

  const byName = await client.predictions.create({ model: flux, input, wait: true })
  const byVersion = await client.predictions.create({ version: flux, input, wait: true })
  const { type, bytes } = await download(byName.output[0])

  t.match(byName, { status: 'succeeded', version: 'hidden', model: flux })
  t.same(bytes, (await download(byVersion.output[0])).bytes)
  t.match([type, (await sharp(bytes).metadata()).width], ['image/webp', 1024])
  const images = { images: ['data:,x'] }
  await t.rejects(client.predictions.create({ model: 'vufinder/vggt-1b', input: images }), {
    message: /404.*could not be found/s,
  })
})

t.test('unknown versions, bad inputs and wrong keys are refused and start nothing', async t => {
  const { client, providers } = await setup(t)
  const stranger = new Replicate({ auth: 'invalid-key', baseUrl: providers.replicateUrl })
  const create = (options: object) => client.predictions.create({ version, input: {}, ...options })

  await t.rejects(create({ version: 'abc' }), { message: /422.*does not exist/s })
  await t.rejects(create({}), { message: /422.*images is required/s })
  await t.rejects(create({ input: { images: [] } }), { message: /422/ })
  await t.rejects(stranger.predictions.get('x'), { message: /401.*Unauthenticated/s })
  await t.rejects(client.predictions.get('unknown'), { message: /404/ })
  t.equal(providers.calls().providers.replicate.submits, 0)
})

t.test('an input that cannot be read fails the prediction, with the reason', async t => {
  const { client } = await setup(t)
  const run = (image: string) =>
    client.predictions.create({ version, input: { images: [image] }, wait: true })

  t.match(await run('data:,hello'), { status: 'failed', error: 'The picture cannot be read' })
  t.match(await run('http://127.0.0.1:1/x'), { status: 'failed', error: /Downloading/ })
  t.match(await run('file:///etc/passwd'), { status: 'failed', error: /is not a URL/ })
})

t.test('an upload is described by its digest and can be read back by its id', async t => {
  const { client } = await setup(t)

  const created = await client.files.create(Buffer.from('hello'))
  const found = await client.files.get(created.id)

  t.equal(
    created.checksums.sha256,
    '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824',
  )
  t.match(found, {
    id: created.id,
    size: 5,
    urls: { get: `${client.baseUrl}/files/${created.id}` },
  })
})

t.test('a prediction fails, or never ends, when it is told to', async t => {
  const { client, providers } = await setup(t)
  const input = { images: [`data:;base64,${(await samplePhoto()).toString('base64')}`] }

  providers.script({ provider: 'replicate', mode: 'fail' })
  const failed = await client.predictions.create({ version, input, wait: true })
  providers.script({ provider: 'replicate', mode: 'stuck' })
  const stuck = await client.predictions.create({ version, input, wait: 1 })

  t.match(failed, { status: 'failed', error: /told to fail/, output: null })
  t.match(stuck, { status: 'processing', output: null })
  t.equal(providers.calls().providers.replicate.open, 1)
})

t.test('the official client repeats a submit that was reset: twice the work', async t => {
  const { client, providers } = await setup(t)
  const model = 'black-forest-labs/flux-schnell'
  providers.script({ provider: 'replicate', mode: 'reset' })

  await client.predictions.create({ model, input: { prompt: 'x' } })
  const { calls, providers: tallies } = providers.calls()

  t.match(tallies.replicate, { submits: 2, attempts: 2 })
  t.equal(calls[0]?.inputSha256, calls[1]?.inputSha256)
})

t.test('outputs can be missing, redirected, hostile or no picture', async t => {
  const { client, providers } = await setup(t)
  const model = 'black-forest-labs/flux-schnell'
  const urlFor = async (mode: Parameters<typeof providers.script>[0]['mode']) => {
    providers.script({ provider: 'replicate', mode })
    const input = { prompt: 'x' }
    const prediction = await client.predictions.create({ model, input, wait: true })
    const url: string = prediction.output[0]
    return url
  }

  const missing = await fetch(await urlFor('missing-output'))
  const redirected = await fetch(await urlFor('redirect-output'), { redirect: 'manual' })
  const invalid = await download(await urlFor('invalid-output'))

  t.equal(missing.status, 404)
  t.match([redirected.status, redirected.headers.get('location')], [302, /169\.254/])
  t.match(invalid.bytes.toString(), /<html>/)
  t.match(await urlFor('link-local-output'), /^http:\/\/169\.254\.169\.254/)
})
