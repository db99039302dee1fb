import { setTimeout as wait } from 'node:timers/promises'
import { createTestDatabase } from '@funmagic/database/testing'
import type { Database } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { Redis } from 'ioredis'
import t from 'tap'
import { createSessionCache, entryLifeMs } from '../src/session-cache.ts'
import { findEpoch, findStoredSession, hashToken } from '../src/session-rows.ts'
import { createSessions, type Sessions } from '../src/session.ts'
import { createTestUser } from '../src/testing.ts'
import { startRedis } from './redis-server.ts'

const { database, server } = await setup(t)

async function setup(t: { teardown(work: () => unknown): void }) {
  const { database } = await createTestDatabase(t)
  return { database, server: await startRedis(t) }
}

/** A process of its own: its own connection to Redis and its own view of it. */
function openProcess(): { sessions: Sessions; redis: Redis; errors: unknown[] } {
  const redis = server.connect()
  const errors: unknown[] = []
  const onCacheError = (error: unknown) => void errors.push(error)
  return { sessions: createSessions({ database, redis, onCacheError }), redis, errors }
}

/** The database, with a look at each statement before it runs. */
function watched(before: (text: string) => Promise<unknown>): Database {
  return new Proxy(database, {
    get: (target, name) =>
      name === 'query'
        ? async (statement: { text: string }) => {
            await before(statement.text)
            return Reflect.apply(target.query, target, [statement])
          }
        : Reflect.get(target, name),
  })
}

async function until(condition: () => Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (Date.now() < deadline) {
    if (await condition()) return
    await wait(10)
  }
  throw new Error('the condition was not met in time')
}

async function readPostgres(token: string) {
  const session = await findStoredSession(database, hashToken(token))
  if (session === undefined) throw new Error('no such session')
  const readEpoch = () => findEpoch(database, session.user.id)
  return { tokenHash: hashToken(token), session, readAtMs: Date.now(), readEpoch }
}

t.test('a repeated question is answered without Postgres', async t => {
  const statements: string[] = []
  const redis = server.connect()
  const counting = watched(async text => statements.push(text))
  const sessions = createSessions({ database: counting, redis })
  const { token } = await createTestUser(database)
  await sessions.findSession(token)
  statements.length = 0

  for (let n = 0; n < 20; n++) await sessions.findSession(token)

  t.same(statements, [])
})

t.test('fifty readers that race a sign-out in two processes are all refused after it', async t => {
  const [first, second] = [openProcess(), openProcess()]
  const { user, token: other } = await createTestUser(database)

  for (let round = 0; round < 10; round++) {
    const { token } = await first.sessions.openSession(user.id, { ipAddress: null, userAgent: '' })
    let isClosed = false
    const resurrected: number[] = []
    const readers = Array.from({ length: 50 }, async (_, n) => {
      const { sessions } = n % 2 === 0 ? first : second
      // Bounded: it ends with the reads that begin after the sign-out.
      for (let reads = 0; reads < 3 || !isClosed; reads++) {
        const beganAfter = isClosed
        const session = await sessions.findSession(token)
        if (beganAfter && session !== undefined) resurrected.push(n)
      }
      if ((await sessions.findSession(token)) !== undefined) resurrected.push(n)
    })
    await (round % 2 === 0 ? first : second).sessions.closeSession(token)
    isClosed = true
    await Promise.all(readers)
    t.same(resurrected, [], `round ${round}`)
  }
  t.match(await first.sessions.findSession(other), { user: { id: user.id } })
})

t.test(
  'a reader that read Postgres before the revocation cannot bring the session back',
  async t => {
    const { sessions, redis } = openProcess()
    const cache = createSessionCache(redis, () => undefined)
    const { user, token } = await createTestUser(database)
    const stale = await readPostgres(token)

    await sessions.closeAllSessions(user.id)
    await cache.keep(stale)

    t.equal(await sessions.findSession(token), undefined)
  },
)

/** Lets all of a user's sessions be closed while a reader of one of them holds the lease. */
async function keepOvertaken(then: (redis: Redis) => Promise<unknown>) {
  const { sessions, redis } = openProcess()
  const cache = createSessionCache(redis, () => undefined)
  const { user, token } = await createTestUser(database)
  const stale = await readPostgres(token)
  const readEpoch = async () => {
    const epoch = await stale.readEpoch()
    await sessions.closeAllSessions(user.id)
    await then(redis)
    return epoch
  }
  await cache.keep({ ...stale, readEpoch })
  return { cached: await cache.find(stale.tokenHash), found: await sessions.findSession(token) }
}

t.test('a reader overtaken between its lease and its publication publishes nothing', async t => {
  const answers = await keepOvertaken(async () => undefined)

  t.same(answers, { cached: undefined, found: undefined })
})

t.test('even when Redis loses everything while the reader holds its lease', async t => {
  const answers = await keepOvertaken(redis => redis.flushall())

  t.same(answers, { cached: undefined, found: undefined })
})

t.test('while a revocation is between its tombstone and its commit, Postgres answers', async t => {
  const { sessions, redis } = openProcess()
  const cache = createSessionCache(redis, () => undefined)
  const { user, token } = await createTestUser(database)
  await sessions.findSession(token)

  await cache.block(user.id)

  t.equal(await cache.find(hashToken(token)), undefined)
  t.match(await sessions.findSession(token), { user: { id: user.id } })
  t.equal(await cache.find(hashToken(token)), undefined, 'and nothing is published meanwhile')
})

t.test('a revocation that died after its commit leaves nothing believed', async t => {
  const { sessions, redis } = openProcess()
  const cache = createSessionCache(redis, () => undefined)
  const { user, token } = await createTestUser(database)
  await sessions.findSession(token)

  await cache.block(user.id)
  await database.query(sql`DELETE FROM sessions WHERE user_id = ${user.id}::uuid`)

  t.equal(await sessions.findSession(token), undefined)
})

t.test('a sign-out by a process cut off from Redis holds where Redis is reached', async t => {
  const { sessions: reader } = openProcess()
  const cutOff = new Redis('redis://127.0.0.1:1', { enableOfflineQueue: false })
  cutOff.on('error', () => undefined)
  t.teardown(() => cutOff.disconnect())
  const { token } = await createTestUser(database)
  await reader.findSession(token)

  await createSessions({ database, redis: cutOff }).closeSession(token)

  t.equal(await reader.findSession(token), undefined)
})

t.test('after a revocation the other sessions of the user are cached again', async t => {
  const { sessions, redis } = openProcess()
  const cache = createSessionCache(redis, () => undefined)
  const { user, token } = await createTestUser(database)
  const { token: other } = await sessions.openSession(user.id, { ipAddress: null, userAgent: null })

  await sessions.closeSession(other)
  await sessions.findSession(token)

  t.match(await cache.find(hashToken(token)), { user: { id: user.id } })
})

t.test('a revocation that failed to commit lets the session go on', async t => {
  const { sessions } = openProcess()
  const { user, token } = await createTestUser(database)

  const failing = sessions.changeUser(user.id, async () => {
    throw new Error('no commit')
  })

  await t.rejects(failing, /no commit/)
  t.match(await sessions.findSession(token), { user: { id: user.id } })
})

t.test('a Redis restored from a snapshot of before the sign-out brings nothing back', async t => {
  const { sessions, redis } = openProcess()
  const { token } = await createTestUser(database)
  await sessions.findSession(token)
  await redis.save()
  await sessions.closeSession(token)

  await server.kill()
  await server.start()
  await until(async () => (await redis.ping().catch(() => '')) === 'PONG')
  const restored = await redis.keys(`session:*:${hashToken(token)}`)

  t.equal(restored.length, 1, 'the snapshot does hold the session')
  t.equal(await sessions.findSession(token), undefined)
})

t.test('while Redis is gone sessions open, are found and close, and nobody waits long', async t => {
  const { sessions, errors } = openProcess()
  const { user, token } = await createTestUser(database)
  await sessions.findSession(token)
  await server.kill()
  t.teardown(() => server.start())
  const startedAt = performance.now()

  const opened = await sessions.openSession(user.id, { ipAddress: null, userAgent: null })
  for (let n = 0; n < 50; n++) t.ok(await sessions.findSession(opened.token))
  const readMs = performance.now() - startedAt
  await sessions.closeSession(token)

  t.equal(await sessions.findSession(token), undefined)
  t.ok(readMs < 2_000, `fifty reads took ${readMs} ms`)
  t.ok(performance.now() - startedAt < readMs + entryLifeMs + 1_500)
  t.not(errors.length, 0, 'the owner of the connection is told')
})

t.test('a sign-out while Redis hangs still holds when Redis comes back', async t => {
  const { sessions, redis } = openProcess()
  const { token } = await createTestUser(database)
  await sessions.findSession(token)
  server.pause()

  const closing = sessions.closeSession(token)
  await until(async () => (await findStoredSession(database, hashToken(token))) === undefined)
  server.resume()
  await closing

  t.equal(await redis.ping(), 'PONG')
  t.equal(await sessions.findSession(token), undefined)
})
