import { sql } from '@funmagic/database/sql'
import { suspendUser } from '@funmagic/session/user-changes'
import t from 'tap'
import { cookieOf, newEmail, password, post, signUpSomebody, startAuthApp } from './auth-app.ts'

const { app, database, sessions, metrics } = await startAuthApp(t)

async function isSignedIn(cookie: string): Promise<boolean> {
  const reply = await app.inject({ url: '/api/auth/get-session', headers: { cookie } })
  return reply.json() !== null
}

t.test('the right password signs in, however the email is written', async t => {
  const { email, user } = await signUpSomebody(app)

  const response = await post(app, 'sign-in/email', { email: ` ${email.toUpperCase()}`, password })

  t.equal(response.statusCode, 200)
  t.same(response.json(), { user })
  t.ok(await isSignedIn(cookieOf(response)))
})

t.test('a wrong password and an unknown email get the same reply', async t => {
  const { email } = await signUpSomebody(app)
  const wrong = [
    { email, password: 'not the password' },
    { email: newEmail(), password },
    { email: `'; DROP TABLE users; --`, password },
    { email: 'ａda@example.test', password },
    { email: 'ada@bücher.example', password },
    { email: `${email}.`, password },
  ]

  for (const body of wrong) {
    const response = await post(app, 'sign-in/email', body)
    const { requestId, timestamp, ...error } = response.json().error
    t.match({ requestId, timestamp }, { requestId: String, timestamp: String })
    t.equal(response.statusCode, 401)
    t.same(error, {
      code: 'INVALID_EMAIL_OR_PASSWORD',
      message: 'The email or the password is wrong.',
      details: null,
    })
    t.notOk(response.headers['set-cookie'])
  }
})

t.test('an unknown email is as much work as a wrong password', async t => {
  const { email } = await signUpSomebody(app)
  // Of the processor and not of the clock, which counts what else the machine does.
  const work = async (body: object) => {
    const before = process.cpuUsage()
    await post(app, 'sign-in/email', body)
    const { user, system } = process.cpuUsage(before)
    return user + system
  }
  let [known, unknown] = [0, 0]

  for (let n = 0; n < 15; n++) {
    known += await work({ email, password: 'not the password' })
    unknown += await work({ email: newEmail(), password })
  }

  const ratio = unknown / known
  // Without a hash to compare with it would be a tenth.
  t.ok(ratio > 0.3 && ratio < 3, `the ratio is ${ratio}`)
})

t.test('signing in rotates: the token that the browser had is dead', async t => {
  const { email, cookie: before } = await signUpSomebody(app)
  t.ok(await isSignedIn(before))

  const response = await post(app, 'sign-in/email', { email, password }, before)

  t.not(cookieOf(response), before)
  t.notOk(await isSignedIn(before))
  t.ok(await isSignedIn(cookieOf(response)))
})

t.test('signing in elsewhere leaves the session here alone', async t => {
  const { email, cookie } = await signUpSomebody(app)

  await post(app, 'sign-in/email', { email, password })

  t.ok(await isSignedIn(cookie))
})

t.test(
  'only somebody with the password learns that an account is suspended, and may read',
  async t => {
    const { email, user, cookie: before } = await signUpSomebody(app)
    await suspendUser(sessions, user.id)

    const stranger = await post(app, 'sign-in/email', { email, password: 'not the password' })
    const owner = await post(app, 'sign-in/email', { email, password })

    t.match(stranger.json(), { error: { code: 'INVALID_EMAIL_OR_PASSWORD' } })
    t.match(owner, { statusCode: 403 })
    t.match(owner.json(), { error: { code: 'ACCOUNT_SUSPENDED' } })
    t.notOk(stranger.headers['set-cookie'])
    t.ok(await isSignedIn(cookieOf(owner)), 'as who can look at what is theirs')
    t.notOk(await isSignedIn(before), 'sessions from before stay ended')
  },
)

t.test('an account without a password cannot be entered with one', async t => {
  const { email } = await signUpSomebody(app)
  await database.query(sql`
    DELETE FROM accounts USING users WHERE users.id = accounts.user_id AND users.email = ${email}
  `)

  t.match(await post(app, 'sign-in/email', { email, password }), { statusCode: 401 })
})

t.test('a page of the own site may be named to go on to', async t => {
  const { email } = await signUpSomebody(app)

  const response = await post(app, 'sign-in/email', { email, password, callbackURL: '/studio?a=1' })

  t.match(response.json(), { redirect: true, url: '/studio?a=1' })
  for (const callbackURL of ['//evil.test', '/\\evil.test', 'https://evil.test', 'javascript:1']) {
    const refused = await post(app, 'sign-in/email', { email, password, callbackURL })
    t.equal(refused.statusCode, 400, callbackURL)
  }
})

t.test('outcomes are counted', async t => {
  const text = await metrics.registry.metrics()

  t.match(text, /auth_sign_ins_total\{outcome="succeeded",service="auth"\} \d/)
  t.match(text, /auth_sign_ins_total\{outcome="refused",service="auth"\} \d/)
})
