import { randomUUID } from 'node:crypto'
import { AppError } from '@funmagic/contract/problem'
import { createTestDatabase } from '@funmagic/database/testing'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import t from 'tap'
import { sessionCookie } from '../src/cookie.ts'
import { registerRateLimits } from '../src/limit-requests.ts'
import { createRateLimits } from '../src/rate-limits.ts'
import { registerSession, requireUser } from '../src/require-user.ts'
import { createSessions } from '../src/session.ts'
import { createTestUser } from '../src/testing.ts'

const { database } = await createTestDatabase(t)

async function setup(t: { teardown(work: () => unknown): void }) {
  const keyPrefix = `${randomUUID()}:`
  const redis = new Redis(process.env['REDIS_CACHE_URL'] ?? '', { keyPrefix })
  const app = Fastify()
  app.setErrorHandler((error, _request, reply) => {
    if (!(error instanceof AppError)) throw error
    if (error.retryAfterSeconds) reply.header('retry-after', error.retryAfterSeconds)
    return reply.code(error.status).send({ code: error.code })
  })
  const sessions = createSessions({ database, redis })
  const limits = createRateLimits({ database, redis, profile: 'production' })
  await app.register(registerSession, { sessions, cookie: sessionCookie({ secure: true }) })
  await app.register(registerRateLimits, { limits })
  app.get('/health', async () => ({}))
  app.get('/api/public', async () => ({}))
  app.post('/api/sign-in', { config: { rateLimit: 'authAction' } }, async () => ({}))
  await app.register(async signedIn => {
    // The latest hook that a scope can have: the limit of a route still comes after it.
    signedIn.addHook('preHandler', requireUser)
    signedIn.post('/api/tasks', { config: { rateLimit: 'taskCreation' } }, async () => ({}))
  })
  t.teardown(async () => {
    await app.close()
    redis.disconnect()
  })
  return app
}

t.test('every reply under /api tells its limit, and other replies none', async t => {
  const app = await setup(t)

  const { headers } = await app.inject('/api/public')
  const { headers: missing } = await app.inject('/api/nothing-here')
  const { headers: health } = await app.inject('/health')

  t.match(headers, { 'x-ratelimit-limit': '200', 'x-ratelimit-remaining': '199' })
  t.ok(Number(headers['x-ratelimit-reset']) > Date.now() / 1000)
  t.match(missing, { 'x-ratelimit-remaining': '198' }, 'unknown paths count too')
  t.notOk(health['x-ratelimit-limit'])
})

t.test('beyond the limit of a category the reply is 429 and says when to come back', async t => {
  const app = await setup(t)
  const signIn = () => app.inject({ method: 'POST', url: '/api/sign-in' })
  for (let n = 0; n < 10; n++) t.equal((await signIn()).statusCode, 200)

  const refused = await signIn()
  const elsewhere = await app.inject({
    method: 'POST',
    url: '/api/sign-in',
    remoteAddress: '192.0.2.9',
  })

  t.match(refused, { statusCode: 429, headers: { 'x-ratelimit-limit': '10' } })
  t.same(refused.json(), { code: 'RATE_LIMITED' })
  t.ok(Number(refused.headers['retry-after']) > 0)
  t.equal(elsewhere.statusCode, 200)
  t.equal((await app.inject('/api/public')).statusCode, 200, 'other categories go on')
})

t.test('an encoded path is the same route and the same limit', async t => {
  const app = await setup(t)
  const signIn = () => app.inject({ method: 'POST', url: '/%61pi/sign-%69n' })
  for (let n = 0; n < 10; n++) t.equal((await signIn()).statusCode, 200)

  t.equal((await signIn()).statusCode, 429)
})

t.test('a user has a limit of their own from every address', async t => {
  const app = await setup(t)
  const [mine, theirs] = [await createTestUser(database), await createTestUser(database)]
  const submit = (cookie: string, n: number) =>
    app.inject({
      method: 'POST',
      url: '/api/tasks',
      headers: { cookie },
      remoteAddress: `192.0.2.${n}`,
    })
  for (let n = 0; n < 10; n++) t.equal((await submit(mine.cookie, n)).statusCode, 200)

  t.equal((await submit(mine.cookie, 11)).statusCode, 429)
  t.equal((await submit(theirs.cookie, 11)).statusCode, 200)
  t.equal((await submit('', 11)).statusCode, 401)
})
