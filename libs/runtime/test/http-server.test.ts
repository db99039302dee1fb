import { AppError, problems } from '@funmagic/contract/problem'
import { Id } from '@funmagic/contract/ids'
import { Writable } from 'node:stream'
import t from 'tap'
import Type from 'typebox'
import { createServer, type RoutePlugin } from '../src/http-server.ts'
import { IdempotencyHeaders } from '../src/idempotency.ts'
import { createLogger } from '../src/logger.ts'
import { createMetrics } from '../src/metrics.ts'

const Thing = Type.Object(
  { name: Type.String(), count: Type.Optional(Type.Integer({ minimum: 1 })) },
  { additionalProperties: false },
)

const thingRoutes: RoutePlugin<{ failWith?: Error }> = async (app, deps) => {
  app.post(
    '/things',
    {
      schema: {
        body: Thing,
        headers: IdempotencyHeaders,
        response: { 200: Thing, ...problems('CONFLICT') },
      },
    },
    async request => ({ name: request.body.name }),
  )
  app.get('/things/:thingId', { schema: { params: Type.Object({ thingId: Id }) } }, async () => {
    throw deps.failWith ?? new AppError('NOT_FOUND')
  })
  const query = Type.Object(
    { limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })) },
    { additionalProperties: false },
  )
  app.get('/things', { schema: { querystring: query } }, async request => request.query)
}

async function setup(
  t: { teardown(work: () => unknown): void },
  options: { failWith?: Error; token?: string; servedBy?: string } = {},
) {
  const lines: string[] = []
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString())
      done()
    },
  })
  const { app, drain } = await createServer({
    service: 'thing',
    title: 'Things',
    description: 'For this test',
    logger: createLogger('thing', 'info', sink),
    metrics: createMetrics('thing'),
    http: {
      host: '127.0.0.1',
      port: 0,
      allowedOrigins: ['https://funmagic.test'],
      trustedProxies: ['127.0.0.0/8'],
      drainMs: 0,
      ...(options.token === undefined ? {} : { metricsAuthToken: options.token }),
      ...(options.servedBy === undefined ? {} : { servedBy: options.servedBy }),
    },
    health: { db: async () => undefined, redis: () => Promise.reject(new Error('away')) },
  })
  await app.register(thingRoutes, options)
  t.teardown(() => app.close())
  return { app, drain, lines }
}

t.test('a copy that knows its group says which stack served, and others say nothing', async t => {
  const beta = await setup(t, { servedBy: 'beta' })
  const unnamed = await setup(t)
  const answerOf = ({ app }: typeof beta) => app.inject({ url: '/elsewhere' })

  t.equal((await answerOf(beta)).headers['x-served-by'], 'beta')
  t.notOk('x-served-by' in (await answerOf(unnamed)).headers)
})

const json = { 'content-type': 'application/json' }
const malformedRequests = [
  { why: 'broken JSON', payload: '{"name":', headers: json, expect: [400, 'INVALID_JSON'] },
  { why: 'NUL', payload: '{"name":"a\\u0000"}', headers: json, expect: [400, 'INVALID_TEXT'] },
  {
    why: 'NUL in a key',
    payload: '{"\\u0000":1}',
    headers: json,
    expect: [400, 'INVALID_TEXT'],
  },
  {
    why: 'half a pair',
    payload: '{"name":"\\ud800"}',
    headers: json,
    expect: [400, 'INVALID_TEXT'],
  },
  {
    why: 'not UTF-8',
    payload: Buffer.from([0x22, 0xff, 0x22]),
    headers: json,
    expect: [400, 'INVALID_TEXT'],
  },
  {
    why: 'unknown field',
    payload: '{"name":"a","x":1}',
    headers: json,
    expect: [400, 'VALIDATION_FAILED'],
  },
  {
    why: 'number in quotes',
    payload: '{"name":"a","count":"3"}',
    headers: json,
    expect: [400, 'VALIDATION_FAILED'],
  },
  { why: 'no body', payload: '', headers: json, expect: [400, 'VALIDATION_FAILED'] },
  { why: '__proto__', payload: '{"__proto__":{}}', headers: json, expect: [400, 'INVALID_JSON'] },
  {
    why: 'huge',
    payload: `{"name":"${'a'.repeat(1_100_000)}"}`,
    headers: json,
    expect: [413, 'PAYLOAD_TOO_LARGE'],
  },
  {
    why: 'a form',
    payload: 'name=a',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    expect: [415, 'UNSUPPORTED_MEDIA_TYPE'],
  },
  {
    why: 'plain text',
    payload: '{}',
    headers: { 'content-type': 'text/plain' },
    expect: [415, 'UNSUPPORTED_MEDIA_TYPE'],
  },
  {
    why: 'bad key',
    payload: '{"name":"a"}',
    headers: { ...json, 'idempotency-key': 'ü' },
    expect: [400, 'INVALID_IDEMPOTENCY_KEY'],
  },
]

t.test('a malformed request gets a 4xx that names the fault, never a 5xx', async t => {
  const { app } = await setup(t)

  for (const row of malformedRequests) {
    const response = await app.inject({
      method: 'POST',
      url: '/things',
      headers: row.headers,
      payload: row.payload,
    })

    t.same([response.statusCode, response.json().error.code], row.expect, row.why)
  }
})

t.test('paths and query strings are parsed strictly', async t => {
  const { app } = await setup(t)
  const rows = [
    ['/things?limit=10', 200, undefined],
    ['/things?limit=10abc', 400, 'VALIDATION_FAILED'],
    ['/things?limit=0', 400, 'VALIDATION_FAILED'],
    ['/things?limit=1&limit=2', 400, 'VALIDATION_FAILED'],
    ['/things?page=1', 400, 'VALIDATION_FAILED'],
    ['/things/nonsense', 400, 'INVALID_ID'],
    ['/things/..%2fetc', 400, 'INVALID_ID'],
    ['/things/%00', 400, 'INVALID_TEXT'],
    ['/things/0199d5b0-7a3c-7c1e-9f52-6f1f0c1f7a10', 404, 'NOT_FOUND'],
    ['/nothing', 404, 'NOT_FOUND'],
  ] as const

  for (const [url, status, code] of rows) {
    const response = await app.inject(url)

    t.equal(response.statusCode, status, url)
    t.equal(response.json().error?.code, code, url)
  }
})

t.test('a known path with another method answers 405 and says what it takes', async t => {
  const { app } = await setup(t)

  const response = await app.inject({ method: 'DELETE', url: '/things' })

  t.equal(response.statusCode, 405)
  t.match(response.headers.allow, /POST/)
})

t.test('a foreign page cannot change anything, an allowed one and a program can', async t => {
  const { app } = await setup(t)
  const rows = [
    [{}, 200],
    [{ origin: 'https://funmagic.test' }, 200],
    [{ origin: 'https://evil.test' }, 403],
    [{ origin: 'null' }, 403],
    [{ origin: 'https://funmagic.test.evil.test' }, 403],
    [{ 'sec-fetch-site': 'cross-site' }, 403],
    [{ 'sec-fetch-site': 'same-site' }, 403],
  ] as const

  for (const [headers, status] of rows) {
    const response = await app.inject({
      method: 'POST',
      url: '/things',
      headers,
      payload: { name: 'a' },
    })

    t.equal(response.statusCode, status, JSON.stringify(headers))
  }
})

t.test('every reply carries a request id, and only a well-formed one is taken over', async t => {
  const { app } = await setup(t)

  const taken = await app.inject({ url: '/nothing', headers: { 'x-request-id': 'abcd-1234' } })
  const replaced = await app.inject({
    url: '/nothing',
    headers: { 'x-request-id': 'a b{"level":50}' },
  })

  t.equal(taken.headers['x-request-id'], 'abcd-1234')
  t.equal(taken.json().error.requestId, 'abcd-1234')
  t.match(replaced.headers['x-request-id'], /^[0-9a-f-]{36}$/)
})

t.test('an unforeseen error shows the client nothing of itself', async t => {
  const { app, lines } = await setup(t, { failWith: new Error('secret table name') })

  const response = await app.inject('/things/0199d5b0-7a3c-7c1e-9f52-6f1f0c1f7a10')

  t.equal(response.statusCode, 500)
  t.equal(response.json().error.code, 'INTERNAL_ERROR')
  t.notMatch(response.body, /secret/)
  t.match(lines.join(''), /secret table name/)
})

const awayErrors: readonly (readonly [name: string, message: string, code?: string])[] = [
  ['a lost database connection', 'terminating connection', '57P01'],
  ['a server that starts, by Prisma', 'Database error. Code: `57P03`. Message: `starts`', 'P2039'],
  ['a full disk', 'could not extend file: No space left on device', '53100'],
  ['a full disk, by Prisma', 'Database error. Code: `53100`. Message: `no space`', 'P2039'],
  ['a pool that has been closed', 'Cannot use a pool after calling end on the pool'],
]

for (const [name, message, code] of awayErrors) {
  t.test(`${name} is 503 with Retry-After`, async t => {
    const { app } = await setup(t, { failWith: Object.assign(new Error(message), { code }) })

    const response = await app.inject('/things/0199d5b0-7a3c-7c1e-9f52-6f1f0c1f7a10')

    t.equal(response.statusCode, 503)
    t.equal(response.headers['retry-after'], '2')
  })
}

t.test('health tells the process from its parts, and draining takes it out', async t => {
  const { app, drain } = await setup(t)

  const before = await app.inject('/health')
  const parts = await app.inject('/health/all')
  const redis = await app.inject('/health/redis')
  await drain()

  t.equal(before.statusCode, 200)
  t.equal(parts.statusCode, 503)
  t.match(parts.json().checks, { db: { status: 'ok' }, redis: { status: 'unavailable' } })
  t.equal(redis.statusCode, 503)
})

t.test('metrics need the token where one is set', async t => {
  const { app } = await setup(t, { token: 'a-token-of-length' })

  const without = await app.inject('/metrics')
  const given = await app.inject({
    url: '/metrics',
    headers: { authorization: 'Bearer a-token-of-length' },
  })

  t.equal(without.statusCode, 401)
  t.match(given.body, /http_requests_total|nodejs_/)
})

t.test('the OpenAPI document lists the routes and hides the operational ones', async t => {
  const { app } = await setup(t)

  const document = (await app.inject('/openapi.json')).json()

  t.same(Object.keys(document.paths), ['/things', '/things/{thingId}'])
  t.match(document.paths['/things'].post.responses['409'].description, 'CONFLICT')
})
