import { sql } from '@funmagic/database/sql'
import { balanceOf } from '@funmagic/ledger/accounts'
import t from 'tap'
import { cookieName, cookieOf, newEmail, password, post, startAuthApp } from './auth-app.ts'

const { app, database, lines } = await startAuthApp(t)

t.test('a sign-up makes a user, signs in, and gives the bonus once', async t => {
  const email = newEmail()

  const response = await post(app, 'sign-up/email', { name: ' Ada ', email, password })
  const { user } = response.json()
  const me = await app.inject({
    url: '/api/auth/get-session',
    headers: { cookie: cookieOf(response) },
  })

  t.equal(response.statusCode, 200)
  t.same(Object.keys(response.json()), ['user'], 'the token is in the cookie only')
  t.match(user, { email, name: 'Ada', image: null, role: 'user', emailVerified: false })
  t.same(me.json().user, user)
  t.match(await balanceOf(database, user.id), { balance: 100, lifetimePurchased: 0 })
})

t.test('the cookie is closed to scripts, to plain HTTP and to foreign posts', async t => {
  const remembered = await post(app, 'sign-up/email', { name: 'A', email: newEmail(), password })
  const body = { name: 'A', email: newEmail(), password, rememberMe: false }
  const forgotten = await post(app, 'sign-up/email', body)

  const setCookie = String(remembered.headers['set-cookie'])
  t.match(setCookie, new RegExp(`^${cookieName}=[a-z2-7]{40}; Path=/; Expires=`))
  t.match(setCookie, /; HttpOnly; Secure; SameSite=Lax$/)
  t.notMatch(String(forgotten.headers['set-cookie']), /Expires|Max-Age/)
  t.equal(remembered.headers['cache-control'], 'no-store')
})

t.test('an email is taken in whatever way it is written', async t => {
  const email = newEmail()
  await post(app, 'sign-up/email', { name: 'Ada', email, password })

  const body = { name: 'Eve', email: `  ${email.toUpperCase()} `, password: 'another password' }
  const again = await post(app, 'sign-up/email', body)

  t.match(again, { statusCode: 409 })
  t.match(again.json(), { error: { code: 'USER_ALREADY_EXISTS' } })
  t.notOk(again.headers['set-cookie'])
})

t.test('of ten sign-ups with one email at a time one makes a user with one bonus', async t => {
  const email = newEmail()

  const replies = await Promise.all(
    Array.from({ length: 10 }, () => post(app, 'sign-up/email', { name: 'A', email, password })),
  )

  const statuses = replies.map(reply => reply.statusCode)
  t.equal(statuses.filter(status => status === 200).length, 1)
  t.equal(statuses.filter(status => status === 409).length, 9)
  const { rows } = await database.query(sql`
    SELECT count(*)::int AS bonuses FROM credit_transactions
    JOIN users ON users.id = credit_transactions.user_id WHERE users.email = ${email}
  `)
  t.same(rows, [{ bonuses: 1 }])
})

t.test('what is at rest is an argon2id hash with the parameters of OWASP', async t => {
  const email = newEmail()
  await post(app, 'sign-up/email', { name: 'Ada', email, password })

  const { rows } = await database.query<{ provider_id: string; password_hash: string }>(sql`
    SELECT provider_id, password_hash FROM accounts
    JOIN users ON users.id = accounts.user_id WHERE users.email = ${email}
  `)

  t.match(rows, [{ provider_id: 'credential' }])
  t.match(rows[0]?.password_hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
})

t.test('no log line holds an email, a password or a token', async t => {
  const email = newEmail()

  const response = await post(app, 'sign-up/email', { name: 'Ada', email, password })

  const token = cookieOf(response).split('=')[1] ?? 'none'
  const log = lines.join('')
  t.match(log, /user signed up/)
  for (const secret of [email, password, token]) t.notOk(log.includes(secret))
})
