import { createFalClient, type RequestMiddleware } from '@fal-ai/client'
import sharp from 'sharp'
import t, { type Test } from 'tap'
import { startProviders } from '../src/providers/providers.ts'
import { download, pixelAt, samplePhoto, sampleSize } from './samples.ts'
import { until } from './target.ts'

const endpoint = 'fal-ai/bria/background/remove'

/** fal's client has no setting for its address: a middleware puts the simulator's in its place. */
const redirectTo =
  (falUrl: string): RequestMiddleware =>
  async request => {
    const { pathname, search } = new URL(request.url)
    return { ...request, url: `${falUrl}${pathname}${search}` }
  }

async function setup(t: Test, credentials = 'key-id:key-secret', latencyMs = 20) {
  const providers = await startProviders({ latencyMs, drainMs: 0 })
  t.teardown(() => providers[Symbol.asyncDispose]())
  const requestMiddleware = redirectTo(providers.falUrl)
  const client = createFalClient({ credentials, requestMiddleware, retry: { maxRetries: 0 } })
  return { providers, client }
}

const photoBlob = async () =>
  new Blob([new Uint8Array(await samplePhoto())], { type: 'image/jpeg' })

t.test('a photo is uploaded, queued, and comes back with its subject cut out', async t => {
  const { client } = await setup(t)
  const states: string[] = []

  const { data, requestId } = await client.subscribe(endpoint, {
    input: { image_url: await photoBlob() },
    logs: true,
    pollInterval: 2,
    onQueueUpdate: update => states.push(update.status),
  })
  const { type, bytes } = await download(data.image.url)

  t.match(await sharp(bytes).metadata(), { ...sampleSize, format: 'png', hasAlpha: true })
  t.match(data.image, { ...sampleSize, content_type: 'image/png', file_size: bytes.length })
  t.equal((await pixelAt(bytes, 5, 5))[3], 0, 'the ground is gone')
  t.equal((await pixelAt(bytes, 630, 470))[3], 0, 'also where it is darker')
  t.same((await pixelAt(bytes, 320, 240))[3], 255, 'the subject is whole')
  t.equal(type, 'image/png')
  t.match(requestId, /^[0-9a-f-]{36}$/)
  t.equal(states.at(-1), 'COMPLETED')
})

t.test('the edge between subject and ground is soft', async t => {
  const { client } = await setup(t)

  const { data } = await client.subscribe(endpoint, {
    input: { image_url: await photoBlob() },
    pollInterval: 2,
  })
  const { bytes } = await download(data.image.url)
  const row = await Promise.all([168, 169, 170, 171, 172].map(x => pixelAt(bytes, x, 240)))

  t.ok(row.some(pixel => (pixel[3] ?? 0) > 20 && (pixel[3] ?? 0) < 235))
})

t.test('a request that waits tells its place and its addresses', async t => {
  const { client, providers } = await setup(t, 'key-id:key-secret', 60_000)
  const input = { image_url: 'data:,x' }

  const first = await client.queue.submit(endpoint, { input })
  const second = await client.queue.submit(endpoint, { input })
  const status = await client.queue.status(endpoint, { requestId: second.request_id })
  const url = `${providers.falUrl}/fal-ai/bria/requests/${first.request_id}`
  const headers = { authorization: 'Key a:b' }
  const early = await fetch(url, { headers })

  t.match(first, { status: 'IN_QUEUE', queue_position: 0, response_url: url })
  t.match(first, { status_url: `${url}/status`, cancel_url: `${url}/cancel` })
  t.match(status, { status: 'IN_QUEUE', queue_position: 1 })
  t.equal((await fetch(`${url}/status`, { headers })).status, 202)
  t.match([early.status, await early.json()], [400, { detail: 'Request is still in progress' }])
})

t.test('a request that runs tells its progress, and at the end how long it took', async t => {
  const { client, providers } = await setup(t)
  const input = { image_url: await client.storage.upload(await photoBlob()) }
  const statusOf = async (requestId: string) =>
    client.queue.status(endpoint, { requestId, logs: true })

  const { request_id: requestId } = await client.queue.submit(endpoint, { input })
  await until(async () => (await statusOf(requestId)).status === 'COMPLETED')
  providers.script({ provider: 'fal', mode: 'stuck', latencyMs: 0 })
  const { request_id: stuckId } = await client.queue.submit(endpoint, { input })
  await until(async () => (await statusOf(stuckId)).status === 'IN_PROGRESS')

  const line = { message: / 25%/, level: 'INFO', source: 'USER' }
  t.match(await statusOf(requestId), { logs: [line], metrics: { inference_time: Number } })
  t.match(await client.queue.status(endpoint, { requestId }), { logs: null })
})

t.test('a request without a picture is taken, and refused by the runner', async t => {
  const { client } = await setup(t)
  const resultOf = async (input: object) => {
    const { request_id: requestId } = await client.queue.submit(endpoint, {
      input: { image_url: '', ...input },
    })
    await client.queue.subscribeToStatus(endpoint, { requestId, pollInterval: 2 })
    return client.queue.result(endpoint, { requestId }).catch((error: unknown) => error)
  }
  const refusal = (type: string) => ({ status: 422, body: { detail: [{ type }] } })

  t.match(await resultOf({ image_url: undefined }), refusal('missing'))
  t.match(await resultOf({ image_url: 'http://127.0.0.1:1/x' }), refusal('file_download_error'))
  t.match(await resultOf({ image_url: 'data:,hello' }), refusal('image_load_error'))
})

t.test('a request can be cancelled while it waits or runs, but not afterwards', async t => {
  const { client, providers } = await setup(t, 'key-id:key-secret', 60_000)
  const input = { image_url: 'data:,x' }
  const cancel = async (requestId: string) => {
    const url = `${providers.falUrl}/fal-ai/bria/requests/${requestId}/cancel`
    const reply = await fetch(url, { method: 'PUT', headers: { authorization: 'Key a:b' } })
    return [reply.status, await reply.json()]
  }

  const waiting = await client.queue.submit(endpoint, { input })
  providers.script({ provider: 'fal', mode: 'stuck', latencyMs: 0 })
  const running = await client.queue.submit(endpoint, { input })
  const { request_id: requestId } = running
  await until(async () => {
    const { status } = await client.queue.status(endpoint, { requestId })
    return status === 'IN_PROGRESS'
  })

  await client.queue.cancel(endpoint, { requestId: waiting.request_id })
  t.match(await cancel(requestId), [202, { status: 'CANCELLATION_REQUESTED' }])
  t.match(await cancel(requestId), [400, { status: 'ALREADY_COMPLETED' }])
  t.match(await cancel('unknown'), [404, { status: 'NOT_FOUND' }])
  await t.rejects(client.queue.result(endpoint, { requestId }), { name: 'ApiError', status: 499 })
  t.match(providers.calls().providers.fal, { submits: 2, open: 0, openMax: 2 })
})

t.test('both names of the endpoint work, others are not found', async t => {
  const { client } = await setup(t)
  const input = { image_url: await client.storage.upload(await photoBlob()) }

  const { data } = await client.subscribe('bria/background/remove', { input, pollInterval: 2 })

  t.match(data, { image: { content_type: 'image/png' } })
  await t.rejects(client.queue.submit('fal-ai/unknown', { input }), {
    name: 'ApiError',
    status: 404,
  })
})

t.test('a wrong or missing key is refused, and an upload needs its signed address', async t => {
  const { client, providers } = await setup(t, 'invalid-key')
  const none = await fetch(`${providers.falUrl}/${endpoint}`, { method: 'POST' })
  const blind = `${providers.falUrl}/files/${'a'.repeat(32)}/x.png`

  await t.rejects(client.queue.submit(endpoint, { input: { image_url: 'x' } }), {
    name: 'ApiError',
    status: 401,
  })
  await t.rejects(client.storage.upload(new Blob(['x'])), {
    name: 'ApiError',
    status: 401,
  })
  t.equal(none.status, 401)
  t.equal((await fetch(blind, { method: 'PUT', body: 'x' })).status, 403)
  t.equal((await fetch(blind)).status, 404)
})

t.test('faults can be set for every step of a request', async t => {
  const { client, providers } = await setup(t)
  const input = { image_url: await client.storage.upload(await photoBlob()) }
  const { request_id: requestId } = await client.queue.submit(endpoint, { input })
  await client.queue.subscribeToStatus(endpoint, { requestId, pollInterval: 2 })
  const broken = { name: 'ApiError', status: 500 }

  providers.script({ provider: 'fal', mode: '500' })
  await t.rejects(client.queue.submit(endpoint, { input }), broken)
  providers.script({ provider: 'fal', mode: '500', operation: 'result' })
  await t.rejects(client.queue.result(endpoint, { requestId }), broken)
  providers.script({ provider: 'fal', mode: 'garbage', operation: 'status' })
  await t.rejects(client.queue.status(endpoint, { requestId }), SyntaxError)
  providers.script({ provider: 'fal', mode: '500', operation: 'upload' })
  await t.rejects(client.storage.upload(await photoBlob()), broken)
})

t.test('the official client repeats a submit that was reset: twice the work', async t => {
  const { client, providers } = await setup(t)
  providers.script({ provider: 'fal', mode: 'reset' })

  await client.queue.submit(endpoint, { input: { image_url: 'data:,x' } })

  t.match(providers.calls().providers.fal, { submits: 2, attempts: 2 })
})

t.test('words in any field of the input make it fail', async t => {
  const { client } = await setup(t)
  const input = { image_url: 'data:,x', note: 'simulate:fail' }

  await t.rejects(client.subscribe(endpoint, { input, pollInterval: 2 }), {
    name: 'ValidationError',
    status: 422,
    body: { detail: [{ type: 'no_media_generated' }] },
  })
})
