import { mock } from 'node:test'
import { createTestDatabase } from '@funmagic/database/testing'
import { sql } from '@funmagic/database/sql'
import { Redis } from 'ioredis'
import t from 'tap'
import { hashToken } from '../src/session-rows.ts'
import { createSessions, type Sessions } from '../src/session.ts'
import { createTestUser } from '../src/testing.ts'
import { changeRole, reinstateUser, suspendUser } from '../src/user-changes.ts'

const dayMs = 86_400_000
const client = { ipAddress: '192.0.2.7', userAgent: 'tap' }

const { database, sessions, redis } = await setup(t)

async function setup(t: { teardown(work: () => unknown): void }) {
  const { database } = await createTestDatabase(t)
  const redis = new Redis(process.env['REDIS_CACHE_URL'] ?? '')
  t.teardown(() => redis.disconnect())
  return { database, redis, sessions: createSessions({ database, redis }) }
}

/** Runs the work as if that many days had gone by. */
async function afterDays<Result>(days: number, work: () => Promise<Result>): Promise<Result> {
  mock.timers.enable({ apis: ['Date'], now: Date.now() + days * dayMs })
  try {
    return await work()
  } finally {
    mock.timers.reset()
  }
}

t.test('a session is found by its token with its user and its place', async t => {
  const { user } = await createTestUser(database)

  const { token } = await sessions.openSession(user.id, client)
  const session = await sessions.findSession(token)

  t.match(session, { user: { id: user.id, role: 'user' }, ...client })
  t.match(token, /^[a-z2-7]{40}$/, '200 random bits')
  t.same(await sessions.findSession(token), session, 'the cached answer is the same')
})

t.test('nothing that is at rest opens a session', async t => {
  const { user, token } = await createTestUser(database)
  await sessions.findSession(token)

  const { rows } = await database.query<Record<string, unknown>>(
    sql`SELECT * FROM sessions WHERE user_id = ${user.id}::uuid`,
  )
  const columns = Object.values(rows[0] ?? {}).map(String)
  const cached = await redis.keys(`session:*:${hashToken(token)}`)
  const entry = await redis.get(cached[0] ?? '')

  t.ok(columns.includes(hashToken(token)), 'the hash is there')
  t.notOk(columns.includes(token), 'the token is not')
  t.equal(cached.length, 1)
  t.notOk(entry?.includes(token))
  for (const value of columns) t.equal(await sessions.findSession(value), undefined)
})

t.test('an unused session ends after ten days', async t => {
  const { user } = await createTestUser(database)
  const { token } = await sessions.openSession(user.id, client)

  const session = await afterDays(10.01, () => sessions.findSession(token))

  t.equal(session, undefined)
  t.equal(await sessions.findSession(token), undefined, 'and its row is gone')
})

t.test('use in the second half of the idle time postpones the idle end', async t => {
  const { user } = await createTestUser(database)
  const { token } = await sessions.openSession(user.id, client)

  const extended = await afterDays(6, () => sessions.findSession(token))
  const later = await afterDays(15, () => sessions.findSession(token))

  t.match(extended, { user: { id: user.id } })
  t.match(later, { user: { id: user.id } })
})

t.test(
  'a disk that is full ends no session in use, which is extended afterwards (P-6)',
  async t => {
    const { user } = await createTestUser(database)
    const { token } = await sessions.openSession(user.id, client)
    await database.query(sql`
    CREATE FUNCTION refuse_for_space() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION USING ERRCODE = 'disk_full', MESSAGE = 'No space left on device';
    END $$`)
    await database.query(sql`
    CREATE TRIGGER full_disk BEFORE UPDATE ON sessions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_for_space()`)

    const whileFull = await afterDays(6, () => sessions.findSession(token))
    await database.query(sql`DROP FUNCTION refuse_for_space() CASCADE`)
    const extended = await afterDays(9, () => sessions.findSession(token))
    const later = await afterDays(15, () => sessions.findSession(token))

    for (const session of [whileFull, extended, later]) t.match(session, { user: { id: user.id } })
  },
)

t.test('a session in daily use ends after thirty days', async t => {
  const { user } = await createTestUser(database)
  const { token, absoluteExpiresAt } = await sessions.openSession(user.id, client)

  for (const day of [6, 12, 18, 24]) await afterDays(day, () => sessions.findSession(token))
  const atTheEnd = await afterDays(29.9, () => sessions.findSession(token))
  const after = await afterDays(30.1, () => sessions.findSession(token))

  t.same(atTheEnd?.expiresAt, absoluteExpiresAt, 'the nearer end is the one that is shown')
  t.equal(after, undefined)
})

t.test('a session whose end cannot be postponed is not written at each request', async t => {
  const { user } = await createTestUser(database)
  const { token } = await sessions.openSession(user.id, client)
  for (const day of [6, 12, 18, 24]) await afterDays(day, () => sessions.findSession(token))

  const first = await afterDays(28, () => sessions.findSession(token))
  const second = await afterDays(29, () => sessions.findSession(token))

  t.type(first?.updatedAt, Date)
  t.same(second?.updatedAt, first?.updatedAt)
})

t.test('a closed session is refused at once and the others of its user go on', async t => {
  const { user, token: other } = await createTestUser(database)
  const { token } = await sessions.openSession(user.id, client)
  await sessions.findSession(token)

  await sessions.closeSession(token)

  t.equal(await sessions.findSession(token), undefined)
  t.match(await sessions.findSession(other), { user: { id: user.id } })
})

t.test('closing all sessions ends each of the user and none of another', async t => {
  const { user, token } = await createTestUser(database)
  const { token: second } = await sessions.openSession(user.id, client)
  const stranger = await createTestUser(database)
  await Promise.all([token, second, stranger.token].map(each => sessions.findSession(each)))

  await sessions.closeAllSessions(user.id)

  t.equal(await sessions.findSession(token), undefined)
  t.equal(await sessions.findSession(second), undefined)
  t.match(await sessions.findSession(stranger.token), { user: { id: stranger.user.id } })
})

t.test('a changed role holds at the next request', async t => {
  const { user, token } = await createTestUser(database, { role: 'admin' })
  await sessions.findSession(token)

  await changeRole(sessions, { userId: user.id, role: 'user' })

  t.match(await sessions.findSession(token), { user: { role: 'user' } })
})

t.test('a suspension ends every session, and holds in those opened until it is lifted', async t => {
  const { user, token } = await createTestUser(database)
  await sessions.findSession(token)

  await suspendUser(sessions, user.id)

  t.equal(await sessions.findSession(token), undefined)
  const { token: later } = await sessions.openSession(user.id, client)
  t.match(await sessions.findSession(later), { user: { isSuspended: true } })
  t.match(await sessions.findSession(later), { user: { isSuspended: true } }, 'once more')
  t.same(await redis.keys(`session:*:${hashToken(later)}`), [], 'and is never cached')
  await reinstateUser(sessions, user.id)
  t.equal(await sessions.findSession(token), undefined, 'the old session stays ended')
  t.match(await sessions.findSession(later), { user: { isSuspended: false } })
})

t.test('a change of a user who is not there is NOT_FOUND and leaves nothing blocked', async t => {
  const userId = '0199d5b0-7a3c-7c1e-9f52-6f1f0c1f7a10'

  await t.rejects(changeRole(sessions, { userId, role: 'admin' }), { code: 'NOT_FOUND' })
  await t.rejects(suspendUser(sessions, userId), { code: 'NOT_FOUND' })
  await t.rejects(reinstateUser(sessions, userId), { code: 'NOT_FOUND' })

  t.same(await redis.keys(`session-epoch:*:${userId}`), [])
})

t.test('sessions that ended by themselves are cleared away, live ones stay', async t => {
  const { user, token } = await createTestUser(database)
  const { token: ended } = await sessions.openSession(user.id, client)
  await database.query(sql`
    UPDATE sessions SET expires_at = now() - interval '1 second' WHERE token = ${hashToken(ended)}
  `)

  await drainExpired(sessions)

  const { rows } = await database.query(
    sql`SELECT token FROM sessions WHERE user_id = ${user.id}::uuid`,
  )
  t.same(rows, [{ token: hashToken(token) }])
})

async function drainExpired(of: Sessions): Promise<void> {
  // Bounded by the few sessions of this file.
  while ((await of.deleteExpired(1)) > 0);
}
