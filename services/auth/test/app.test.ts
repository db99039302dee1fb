import t from 'tap'
import { newEmail, password, post, signUpSomebody, startAuthApp } from './auth-app.ts'

const { app } = await startAuthApp(t)
const valid = { name: 'Ada', email: newEmail(), password }

const bodies = [
  ['no email', { name: 'Ada', password }, 400],
  ['an unknown property', { ...valid, role: 'super_admin' }, 400],
  ['a number for a name', { ...valid, name: 7 }, 400],
  ['an array for an email', { ...valid, email: [valid.email] }, 400],
  ['null for a password', { ...valid, password: null }, 400],
  ['an empty name', { ...valid, name: '' }, 400],
  ['a name of spaces', { ...valid, name: '   ' }, 400],
  ['a name with a line break', { ...valid, name: 'Ada\r\nX: y' }, 400],
  ['NUL in a name', { ...valid, name: 'A\u0000da' }, 400],
  ['half a surrogate pair', { ...valid, name: 'A\ud800' }, 400],
  ['CRLF in an email', { ...valid, email: 'a@example.test\r\nBcc: b@example.test' }, 400],
  ['a line feed behind an email', { ...valid, email: 'a@example.test\n' }, 400],
  ['a tab in an email', { ...valid, email: 'a\t@example.test' }, 400],
  ['no at sign', { ...valid, email: 'example.test' }, 400],
  ['a look-alike email', { ...valid, email: 'ａ@example.test' }, 400],
  ['a short password', { ...valid, password: 'short' }, 400],
  ['a password of a megabyte', { ...valid, password: 'x'.repeat(1_000_000) }, 400],
  ['a script for a picture', { ...valid, image: 'javascript:alert(1)' }, 400],
  ['a body beyond the limit', { ...valid, password: 'x'.repeat(2_000_000) }, 413],
] as const

t.test('a bad sign-up is told so and never breaks anything', async t => {
  for (const [title, body, status] of bodies) {
    const response = await post(app, 'sign-up/email', body)
    t.equal(response.statusCode, status, title)
    t.match(response.json(), { error: { code: String, requestId: String } }, title)
  }
})

t.test('a bad sign-in is told so and never breaks anything', async t => {
  const name = undefined
  for (const [title, body, status] of bodies.filter(([title]) => /email|password/.test(title))) {
    const response = await post(app, 'sign-in/email', { ...body, name })
    // What is no address is an unknown one: nobody learns which addresses could exist.
    const expected = title === 'a look-alike email' ? 401 : status
    t.equal(response.statusCode, expected, title)
  }
})

const raw = [
  ['broken JSON', 'application/json', '{"email":', 400],
  ['an array', 'application/json', '[]', 400],
  ['a text', 'application/json', '"x"', 400],
  ['nothing', 'application/json', '', 400],
  ['a prototype', 'application/json', '{"__proto__":{"role":"admin"}}', 400],
  ['bytes that are no UTF-8', 'application/json', Buffer.from([0x22, 0xff, 0x22]), 400],
  ['a form', 'application/x-www-form-urlencoded', 'email=a%40b.c&password=12345678', 415],
  ['plain text', 'text/plain', '{"email":"a@b.c"}', 415],
] as const

t.test('a body in another form is refused', async t => {
  for (const [title, contentType, payload, status] of raw) {
    for (const path of ['sign-up/email', 'sign-in/email']) {
      const response = await app.inject({
        method: 'POST',
        url: `/api/auth/${path}`,
        headers: { 'content-type': contentType },
        payload,
      })
      t.equal(response.statusCode, status, `${title} to ${path}`)
    }
  }
})

t.test('the eleventh attempt of an address in a minute is turned away', async t => {
  const { app: strict } = await startAuthApp(t, { profile: 'production' })
  const { email } = await signUpSomebody(strict)
  const attempt = () => post(strict, 'sign-in/email', { email, password: 'not the password' })
  for (let n = 0; n < 9; n++) t.equal((await attempt()).statusCode, 401)

  const refused = await attempt()

  t.equal(refused.statusCode, 429, 'the sign-up was the first')
  t.match(refused.json(), { error: { code: 'RATE_LIMITED' } })
  t.match(refused.headers, { 'x-ratelimit-limit': '10', 'x-ratelimit-remaining': '0' })
  t.ok(Number(refused.headers['retry-after']) > 0)
})

t.test('headers of the edge, of a proxy or of a tester change nothing', async t => {
  const { cookie } = await signUpSomebody(app)
  const url = '/api/auth/get-session'
  const plain = await app.inject({ url, headers: { cookie } })
  const headers = [
    { 'x-dev-mode': 'true' },
    { 'x-user-id': '0199d5b0-7a3c-7c1e-9f52-6f1f0c1f7a10' },
    { 'x-original-url': '/api/admin' },
    { 'x-http-method-override': 'DELETE' },
    { 'x-forwarded-proto': 'http', forwarded: 'for=1.2.3.4' },
  ]

  for (const header of headers) {
    const response = await app.inject({ url, headers: { cookie, ...header } })
    t.equal(response.body, plain.body, Object.keys(header).join())
  }
})
