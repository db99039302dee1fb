import t from 'tap'
import { cookieName, post, signUpSomebody, startAuthApp } from './auth-app.ts'

const { app } = await startAuthApp(t)

async function isSignedIn(cookie: string): Promise<boolean> {
  const reply = await app.inject({ url: '/api/auth/get-session', headers: { cookie } })
  return reply.json() !== null
}

t.test('after a sign-out the session is refused at once, although it was cached', async t => {
  const { cookie } = await signUpSomebody(app)
  for (let n = 0; n < 5; n++) t.ok(await isSignedIn(cookie))

  const response = await post(app, 'sign-out', undefined, cookie)

  t.equal(response.statusCode, 200)
  t.same(response.json(), { success: true })
  t.match(response.headers['set-cookie'], /^__Host-funmagic_session=; .*Expires=Thu, 01 Jan 1970/)
  t.notOk(await isSignedIn(cookie))
})

t.test('a second sign-out and one without a session answer the same', async t => {
  const { cookie } = await signUpSomebody(app)

  const replies = [
    await post(app, 'sign-out', {}, cookie),
    await post(app, 'sign-out', {}, cookie),
    await post(app, 'sign-out'),
    await post(app, 'sign-out', {}, `${cookieName}=junk`),
  ]

  for (const reply of replies) t.match(reply, { statusCode: 200, body: '{"success":true}' })
})

t.test('a browser with a tossed cookie gets rid of both sessions', async t => {
  const [mine, tossed] = [await signUpSomebody(app), await signUpSomebody(app)]

  const response = await post(app, 'sign-out', {}, `${tossed.cookie}; ${mine.cookie}`)

  t.equal(response.statusCode, 200)
  t.notOk(await isSignedIn(mine.cookie))
  t.notOk(await isSignedIn(tossed.cookie))
})

t.test('a foreign page cannot sign anybody out', async t => {
  const { cookie } = await signUpSomebody(app)

  for (const origin of ['https://evil.test', 'null', 'https://funmagic.test.evil.test']) {
    const response = await app.inject({
      method: 'POST',
      url: '/api/auth/sign-out',
      headers: { cookie, origin },
    })
    t.match(response.json(), { error: { code: 'CSRF_REJECTED' } })
  }
  t.ok(await isSignedIn(cookie))
})
