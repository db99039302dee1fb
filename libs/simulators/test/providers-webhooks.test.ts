import { createHash, createPublicKey, verify } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { createFalClient } from '@fal-ai/client'
import Replicate, { validateWebhook } from 'replicate'
import t, { type Test } from 'tap'
import { startProviders, type Providers } from '../src/providers/providers.ts'
import { samplePhoto } from './samples.ts'
import { until } from './target.ts'

const version = '770898f053ca56571e8a49d71f27fc695b6d203e0691baa30d8fbb6954599f2b'

interface Heard {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

async function setup(t: Test) {
  const providers = await startProviders({ latencyMs: 20, drainMs: 0 })
  t.teardown(() => providers[Symbol.asyncDispose]())
  const heard: Heard[] = []
  const server = createServer(async (request, reply) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(Buffer.from(chunk))
    heard.push({ headers: request.headers, body: Buffer.concat(chunks).toString() })
    reply.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const photo = `data:image/jpeg;base64,${(await samplePhoto()).toString('base64')}`
  return { providers, heard, hook: `http://127.0.0.1:${port}/hook`, photo }
}

async function predict(providers: Providers, webhook: string, photo: string) {
  const client = new Replicate({ auth: 'r8_simulated', baseUrl: providers.replicateUrl })
  const secret = (await client.webhooks.default.secret.get()).key
  const prediction = await client.predictions.create({
    version,
    input: { images: [photo], return_pcd: true },
    webhook,
    webhook_events_filter: ['completed'],
  })
  return { prediction, secret }
}

function isSigned({ headers, body }: Heard, secret: string): Promise<boolean> {
  const id = String(headers['webhook-id'])
  const timestamp = String(headers['webhook-timestamp'])
  const signature = String(headers['webhook-signature'])
  return validateWebhook({ id, timestamp, signature, body, secret })
}

t.test('Replicate calls back, in a way that its own client finds signed', async t => {
  const { providers, heard, hook, photo } = await setup(t)

  const { prediction, secret } = await predict(providers, hook, photo)
  await until(() => heard.length === 1)

  const [event] = heard
  t.match(JSON.parse(event?.body ?? ''), { id: prediction.id, status: 'succeeded' })
  t.ok(event && (await isSigned(event, secret)))
})

t.test('Replicate can be told to repeat itself, to be late, wrong, or silent', async t => {
  const { providers, heard, hook, photo } = await setup(t)
  const run = async (webhook: 'twice' | 'stale' | 'bad-signature' | 'before-reply') => {
    heard.length = 0
    providers.script({ provider: 'replicate', mode: 'ok', webhook })
    const made = await predict(providers, hook, photo)
    const before = heard.length
    await until(() => heard.length >= (webhook === 'twice' ? 2 : 1))
    return { ...made, before, ids: heard.map(({ headers }) => headers['webhook-id']) }
  }

  const twice = await run('twice')
  t.equal(new Set(twice.ids).size, 1)
  const early = await run('before-reply')
  t.equal(early.before, 1)
  await run('stale')
  const age = Date.now() / 1000 - Number(heard[0]?.headers['webhook-timestamp'])
  t.ok(age > 300, `${age} seconds old`)
  const wrong = await run('bad-signature')
  t.notOk(heard[0] && (await isSigned(heard[0], wrong.secret)))
})

t.test('fal calls back, signed with a key of those that it publishes', async t => {
  const { providers, heard, hook, photo } = await setup(t)
  const fal = createFalClient({
    credentials: 'a-key',
    requestMiddleware: async request => {
      const { pathname, search } = new URL(request.url)
      return { ...request, url: `${providers.falUrl}${pathname}${search}` }
    },
  })

  const submitted = await fal.queue.submit('fal-ai/bria/background/remove', {
    input: { image_url: photo },
    webhookUrl: hook,
  })
  await until(() => heard.length === 1)
  const { headers = {}, body = '' } = heard[0] ?? {}
  const header = (name: string) => String(headers[`x-fal-webhook-${name}`])
  const digest = createHash('sha256').update(body).digest('hex')
  const parts = [header('request-id'), header('user-id'), header('timestamp'), digest]
  const reply = await fetch(`${providers.falUrl}/.well-known/jwks.json`)
  const { keys } = (await reply.json()) as { keys: [Record<string, string>] }
  const key = createPublicKey({ format: 'jwk', key: keys[0] })

  t.match(JSON.parse(body), { request_id: submitted.request_id, status: 'OK', payload: Object })
  const signature = Buffer.from(header('signature'), 'hex')
  t.ok(verify(null, Buffer.from(parts.join('\n')), key, signature))
})
