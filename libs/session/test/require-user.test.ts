import { AppError } from '@funmagic/contract/problem'
import { sql } from '@funmagic/database/sql'
import { createTestDatabase } from '@funmagic/database/testing'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import t from 'tap'
import { sessionCookie } from '../src/cookie.ts'
import {
  clearSessionCookie,
  findUser,
  registerSession,
  requireRole,
  requireSession,
  requireUser,
  userOf,
  writeSessionCookie,
} from '../src/require-user.ts'
import { createSessions } from '../src/session.ts'
import { createTestUser } from '../src/testing.ts'

const { app, database } = await setup(t)

async function setup(t: { teardown(work: () => unknown): void }) {
  const { database } = await createTestDatabase(t)
  const redis = new Redis(process.env['REDIS_CACHE_URL'] ?? '')
  const cookie = sessionCookie({ secure: true })
  const app = Fastify()
  app.setErrorHandler((error, _request, reply) =>
    reply
      .code(error instanceof AppError ? error.status : 500)
      .send({ code: error instanceof AppError ? error.code : String(error) }),
  )
  await app.register(registerSession, { sessions: createSessions({ database, redis }), cookie })
  app.get('/public', async request => ({ email: (await findUser(request))?.email ?? null }))
  await app.register(async signedIn => {
    signedIn.addHook('preValidation', requireUser)
    signedIn.get('/me', async request => ({ email: userOf(request).email }))
  })
  await app.register(async readers => {
    readers.addHook('preValidation', requireSession)
    readers.get('/mine', async request => ({ email: userOf(request).email }))
  })
  await app.register(async admins => {
    admins.addHook('preValidation', requireRole('admin'))
    admins.get('/admin', async () => ({ ok: true }))
  })
  app.get('/write', async (request, reply) => {
    const isRemembered = request.query !== null && Object.hasOwn(Object(request.query), 'keep')
    const absoluteExpiresAt = new Date('2030-01-01T00:00:00Z')
    writeSessionCookie(reply, cookie, { token: 'a'.repeat(40), absoluteExpiresAt, isRemembered })
    return {}
  })
  app.get('/clear', async (_request, reply) => {
    clearSessionCookie(reply, cookie)
    return {}
  })
  app.get('/forgotten-hook', async request => userOf(request))
  t.teardown(async () => {
    await app.close()
    redis.disconnect()
  })
  return { app, database }
}

async function get(url: string, cookie?: string) {
  const headers = cookie === undefined ? {} : { cookie }
  const response = await app.inject({ url, headers })
  return { status: response.statusCode, body: response.json(), headers: response.headers }
}

t.test('the caller is known by the session cookie', async t => {
  const { user, cookie } = await createTestUser(database)

  t.match(await get('/me', cookie), { status: 200, body: { email: user.email } })
  t.match(await get('/public', cookie), { status: 200, body: { email: user.email } })
})

t.test('without a live session the caller is nobody', async t => {
  const unknown = `__Host-funmagic_session=${'a'.repeat(40)}`
  const overlong = `__Host-funmagic_session=${'a'.repeat(5000)}`

  for (const cookie of [undefined, unknown, overlong]) {
    t.match(await get('/me', cookie), { status: 401, body: { code: 'UNAUTHORIZED' } })
    t.match(await get('/public', cookie), { status: 200, body: { email: null } })
  }
})

t.test('of two different session cookies none is believed, in either order', async t => {
  const [mine, theirs] = [await createTestUser(database), await createTestUser(database)]

  for (const pair of [
    [mine, theirs],
    [theirs, mine],
  ] as const) {
    const cookie = pair.map(each => each.cookie).join('; ')
    t.match(await get('/me', cookie), { status: 401 })
    t.match(await get('/public', cookie), { status: 401 })
  }
})

t.test('each role may do what the ones below it may', async t => {
  const expected = { user: 403, admin: 200, super_admin: 200 } as const

  for (const role of ['user', 'admin', 'super_admin'] as const) {
    const { cookie } = await createTestUser(database, { role })
    t.equal((await get('/admin', cookie)).status, expected[role], role)
  }
  t.equal((await get('/admin')).status, 401)
})

t.test('who is suspended may read what is theirs, and is refused everywhere else', async t => {
  const { user, cookie } = await createTestUser(database, { role: 'super_admin' })
  await database.query(sql`UPDATE users SET suspended_at = now() WHERE id = ${user.id}::uuid`)

  t.match(await get('/mine', cookie), { status: 200, body: { email: user.email } })
  for (const path of ['/me', '/admin']) {
    t.match(await get(path, cookie), { status: 403, body: { code: 'ACCOUNT_SUSPENDED' } }, path)
  }
  t.equal((await get('/mine')).status, 401)
})

t.test('a route that forgot the hook refuses instead of serving nobody', async t => {
  const { cookie } = await createTestUser(database)

  t.match(await get('/forgotten-hook', cookie), { status: 401 })
})

t.test('the cookie is host-only, secure, closed to scripts and to foreign posts', async t => {
  const attributes = 'Path=/; HttpOnly; Secure; SameSite=Lax'
  const value = `__Host-funmagic_session=${'a'.repeat(40)}; Path=/`

  const remembered = (await get('/write?keep')).headers['set-cookie']
  const forgotten = (await get('/write')).headers['set-cookie']
  const cleared = (await get('/clear')).headers['set-cookie']

  t.equal(
    remembered,
    `${value}; Expires=Tue, 01 Jan 2030 00:00:00 GMT; HttpOnly; Secure; SameSite=Lax`,
  )
  t.equal(forgotten, `__Host-funmagic_session=${'a'.repeat(40)}; ${attributes}`)
  t.match(cleared, /^__Host-funmagic_session=; .*Expires=Thu, 01 Jan 1970/)
})
