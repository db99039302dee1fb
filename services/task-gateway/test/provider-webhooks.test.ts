import { createHmac, createHash, generateKeyPairSync, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { newId } from '@funmagic/contract/ids'
import { openDatabase } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { findParked } from '@funmagic/provider/provider-events'
import { openRedis } from '@funmagic/runtime/redis'
import t, { type Test } from 'tap'
import { joinEvents } from '../src/jobs/join-events.ts'
import { addUser, openGateway, submitted, until, type Gateway } from './gateway-app.ts'

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const path = '/api/webhooks/providers/replicate'

async function setup(t: Test) {
  const gateway = await openGateway(t, 'development', { replicateSecret: secret })
  const news: string[] = []
  const redis = openRedis({
    url: process.env['REDIS_CACHE_URL'] ?? '',
    role: 'subscriber',
    name: 'webhook-test',
    onError: () => undefined,
  })
  t.teardown(() => redis.disconnect())
  redis.on('message', (_channel: string, id: string) => news.push(id))
  await redis.subscribe('provider-call-news')
  return { gateway, news }
}

/** A call that was written down before it was made, as a worker does. */
async function addCall(gateway: Gateway, requestId?: string): Promise<string> {
  const taskId = await submitted(gateway, await addUser(gateway))
  const callId = newId()
  const state = requestId === undefined ? 'submitting' : 'submitted'
  await gateway.database.query(sql`
    INSERT INTO provider_calls (id, task_id, step_id, attempt, provider, model, state,
      provider_request_id)
    VALUES (${callId}, ${taskId}, 'sketch', 1, 'replicate', 'a-model',
      ${state}::provider_call_state, ${requestId ?? null})
  `)
  return callId
}

async function callOf({ database }: Gateway, callId: string) {
  const { rows } = await database.query<Record<string, unknown>>(sql`
    SELECT state, provider_request_id AS "requestId" FROM provider_calls WHERE id = ${callId}
  `)
  return rows[0]
}

interface Sending {
  readonly body?: string
  readonly eventId?: string
  readonly secondsAgo?: number
  readonly signedWith?: string
  readonly url?: string
  readonly contentType?: string
}

function send({ app }: Gateway, sending: Sending) {
  const body = sending.body ?? JSON.stringify({ id: 'pred1', status: 'succeeded' })
  const id = sending.eventId ?? `msg-${newId()}`
  const seconds = Math.floor(Date.now() / 1000) - (sending.secondsAgo ?? 0)
  const key = Buffer.from((sending.signedWith ?? secret).slice(6), 'base64')
  const signature = createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')
  return app.inject({
    method: 'POST',
    url: sending.url ?? path,
    headers: {
      'content-type': sending.contentType ?? 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(seconds),
      'webhook-signature': `v1,${signature}`,
    },
    payload: body,
  })
}

t.test('ten deliveries of one event at once are ten answers and one effect (V-6)', async t => {
  const { gateway, news } = await setup(t)
  const requestId = `pred-${newId()}`
  const callId = await addCall(gateway, requestId)
  const body = JSON.stringify({ id: requestId, status: 'succeeded' })
  const delivery = { body, eventId: 'msg-1', url: `${path}?call=${callId}` }

  const replies = await Promise.all(Array.from({ length: 10 }, () => send(gateway, delivery)))

  t.strictSame([...new Set(replies.map(reply => reply.statusCode))], [200])
  const statuses: string[] = replies.map(reply => reply.json().status)
  t.equal(statuses.filter(status => status === 'joined').length, 1)
  t.equal(statuses.filter(status => status === 'duplicate').length, 9)
  await until(() => news.includes(requestId))
  t.equal(news.filter(id => id === requestId).length, 1)
})

t.test('an event that beats the reply of the submission brings the id (V-6, W4)', async t => {
  const { gateway } = await setup(t)
  const callId = await addCall(gateway)

  const reply = await send(gateway, { url: `${path}?call=${callId}` })

  t.match(reply.json(), { status: 'joined' })
  t.strictSame(await callOf(gateway, callId), { state: 'submitted', requestId: 'pred1' })
})

t.test('events out of order change nothing but the hint (V-6)', async t => {
  const { gateway } = await setup(t)
  const callId = await addCall(gateway)
  const url = `${path}?call=${callId}`

  const late = await send(gateway, { url })
  const early = await send(gateway, { url, body: '{"id":"pred1","status":"starting"}' })

  t.strictSame([late.statusCode, early.statusCode], [200, 200])
  t.strictSame(await callOf(gateway, callId), { state: 'submitted', requestId: 'pred1' })
})

t.test('an event of an unknown call is parked, and joined once the call is known', async t => {
  const { gateway, news } = await setup(t)
  const requestId = `pred-${newId()}`
  const body = JSON.stringify({ id: requestId, status: 'succeeded' })

  const reply = await send(gateway, { body })
  await joinEvents(gateway)
  t.match(reply, { statusCode: 202 })
  t.equal((await findParked(gateway.database, { youngerThanMs: 60_000, limit: 10 })).length, 1)
  await addCall(gateway, requestId)
  await joinEvents(gateway)

  t.strictSame(await findParked(gateway.database, { youngerThanMs: 60_000, limit: 10 }), [])
  await until(() => news.includes(requestId))
})

t.test('while Postgres is away nothing is joined, and the process goes on', async t => {
  const { gateway } = await setup(t)
  await using away = openDatabase({
    url: 'postgres://nobody@127.0.0.1:1/nothing',
    poolMax: 1,
    applicationName: 'test',
  })
  const told: unknown[] = []
  const events = {
    announcementFailed: () => undefined,
    sweepFailed: (...failure: unknown[]) => void told.push(failure[0]),
  }

  await joinEvents({ redis: gateway.redis, database: away, events })

  t.same(told, ['join'])
})

t.test('an event that names a call of ours and another request does not touch it', async t => {
  const { gateway } = await setup(t)
  const callId = await addCall(gateway, 'pred-ours')

  const reply = await send(gateway, { url: `${path}?call=${callId}` })

  t.equal(reply.statusCode, 202)
  t.strictSame(await callOf(gateway, callId), { state: 'submitted', requestId: 'pred-ours' })
})

const refusals: [string, Sending, number, string][] = [
  [
    'signed by another',
    { signedWith: 'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' },
    401,
    'INVALID_SIGNATURE',
  ],
  ['ten minutes old', { secondsAgo: 600 }, 401, 'INVALID_SIGNATURE'],
  ['six minutes from the future', { secondsAgo: -360 }, 401, 'INVALID_SIGNATURE'],
  [
    'of a provider that is not listened to',
    { url: path.replace('replicate', 'openai') },
    404,
    'NOT_FOUND',
  ],
  ['of nobody', { url: path.replace('replicate', 'nobody') }, 404, 'NOT_FOUND'],
  ['about a call without an id', { url: `${path}?call=x` }, 400, 'VALIDATION_FAILED'],
  ['of two megabytes', { body: `"${'a'.repeat(2_000_000)}"` }, 413, 'PAYLOAD_TOO_LARGE'],
  ['of another type', { contentType: 'text/plain' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
]
for (const [what, sending, status, code] of refusals) {
  t.test(`an event ${what} is answered with ${status} and leaves no row`, async t => {
    const { gateway } = await setup(t)

    const reply = await send(gateway, sending)

    t.match(reply.json(), { error: { code } })
    t.equal(reply.statusCode, status)
    const { rows } = await gateway.database.query(sql`SELECT id FROM provider_events`)
    t.strictSame(rows, [])
  })
}

t.test('what is signed but says nothing that we know is taken and ignored', async t => {
  const { gateway } = await setup(t)

  for (const body of ['{}', '{"type":"response.completed"}', '[]', 'no json', '{"id":7}']) {
    t.match((await send(gateway, { body })).json(), { status: 'ignored' }, body)
  }
  t.match(await gateway.app.inject({ method: 'GET', url: path }), { statusCode: 405 })
})

t.test('fal’s events are checked with the keys that fal publishes, fetched once', async t => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  let fetches = 0
  const server = createServer((_request, reply) => {
    fetches += 1
    reply.end(JSON.stringify({ keys: [publicKey.export({ format: 'jwk' })] }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const falJwksUrl = `http://127.0.0.1:${port}/jwks.json`
  const gateway = await openGateway(t, 'development', { falJwksUrl })
  const body = JSON.stringify({ request_id: 'r-1', status: 'OK', payload: {} })
  const seconds = Math.floor(Date.now() / 1000)
  const digest = createHash('sha256').update(body).digest('hex')
  const message = Buffer.from(['r-1', 'u-1', seconds, digest].join('\n'))
  const deliver = (signature: string) =>
    gateway.app.inject({
      method: 'POST',
      url: '/api/webhooks/providers/fal',
      headers: {
        'content-type': 'application/json',
        'x-fal-webhook-request-id': 'r-1',
        'x-fal-webhook-user-id': 'u-1',
        'x-fal-webhook-timestamp': String(seconds),
        'x-fal-webhook-signature': signature,
      },
      payload: body,
    })

  const good = await deliver(sign(null, message, privateKey).toString('hex'))
  const again = await deliver(sign(null, message, privateKey).toString('hex'))
  const bad = await deliver('0'.repeat(128))

  t.strictSame([good.statusCode, again.statusCode, bad.statusCode], [202, 200, 401])
  t.equal(fetches, 1)
})

t.test('news of a call ends the wait of its task for a later try', async t => {
  const { gateway } = await setup(t)
  const callId = await addCall(gateway, 'awaited')
  const other = await addCall(gateway, 'not-awaited')
  const { database } = gateway
  await database.query(sql`
    WITH waiting AS (UPDATE tasks SET ready_at = now() + interval '1 minute' RETURNING id)
    UPDATE outbox SET available_at = now() + interval '1 minute' FROM waiting
    WHERE key = waiting.id
  `)

  await send(gateway, { body: JSON.stringify({ id: 'awaited', status: 'succeeded' }) })

  const { rows } = await database.query<Record<string, unknown>>(sql`
    SELECT call.id FROM provider_calls call JOIN outbox ON outbox.key = call.task_id
    WHERE outbox.available_at <= now() AND outbox.sent_at IS NULL
  `)
  t.strictSame(rows, [{ id: callId }])
  t.not(other, callId)
})
