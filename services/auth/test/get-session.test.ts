import { sql } from '@funmagic/database/sql'
import { changeRole } from '@funmagic/session/user-changes'
import t from 'tap'
import { cookieName, signUpSomebody, startAuthApp } from './auth-app.ts'

const { app, database, sessions } = await startAuthApp(t)

function getSession(cookie?: string) {
  const headers = cookie === undefined ? {} : { cookie, 'user-agent': 'tap' }
  return app.inject({ url: '/api/auth/get-session', headers })
}

t.test('without a live session the answer is null', async t => {
  for (const cookie of [undefined, `${cookieName}=${'a'.repeat(40)}`, `${cookieName}=%E0%A4%A`]) {
    const response = await getSession(cookie)
    t.equal(response.statusCode, 200)
    t.equal(response.body, 'null')
    t.match(response.headers['content-type'], /^application\/json/)
  }
})

t.test('with one it is the session and the user, and no token', async t => {
  const { cookie, user } = await signUpSomebody(app)

  const response = await getSession(cookie)

  t.same(response.json().user, user)
  t.match(response.json().session, { userId: user.id, ipAddress: '127.0.0.1' })
  t.ok(Date.parse(response.json().session.expiresAt) > Date.now())
  t.notOk(response.body.includes(cookie.split('=')[1] ?? ''))
  t.equal(response.headers['cache-control'], 'no-store')
})

t.test('of two session cookies none is believed', async t => {
  const { cookie } = await signUpSomebody(app)
  const { cookie: tossed } = await signUpSomebody(app)

  t.match(await getSession(`${tossed}; ${cookie}`), { statusCode: 401 })
  t.match(await getSession(`${cookie}; ${tossed}`), { statusCode: 401 })
})

t.test('a changed role shows at the next request', async t => {
  const { cookie, user } = await signUpSomebody(app)
  await getSession(cookie)

  await changeRole(sessions, { userId: user.id, role: 'admin' })

  t.match((await getSession(cookie)).json(), { user: { role: 'admin' } })
})

t.test('nothing that the session row holds works as a cookie', async t => {
  const { user } = await signUpSomebody(app)

  const { rows } = await database.query<object>(
    sql`SELECT * FROM sessions WHERE user_id = ${user.id}::uuid`,
  )
  const values = rows.flatMap(row => Object.values(row)).map(String)

  t.ok(values.length > 5)
  for (const value of values) {
    t.equal((await getSession(`${cookieName}=${encodeURIComponent(value)}`)).body, 'null', value)
  }
})
