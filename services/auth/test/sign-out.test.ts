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
  t.match(
    [response.headers['set-cookie']].flat().at(-1),
    /^__Host-funmagic_session=; .*Expires=Thu, 01 Jan 1970/,
  )
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

t.test('a sign-out takes back what opened the gallery, for every user of the browser', async t => {
  const [ada, bob] = [await signUpSomebody(app), await signUpSomebody(app)]

  const response = await post(app, 'sign-out', {}, `${ada.cookie}; ${bob.cookie}`)
  const stranger = await post(app, 'sign-out')

  const lines = [response.headers['set-cookie']].flat().map(String)
  for (const { user } of [ada, bob]) {
    for (const name of ['Policy', 'Signature', 'Key-Pair-Id', 'Hash-Algorithm']) {
      const attributes = `Path=/private/${user.id}/; HttpOnly; SameSite=Lax; Secure`
      const line = `CloudFront-${name}=; Max-Age=0; ${attributes}; Domain=funmagic.test`
      t.ok(lines.includes(line), line)
    }
  }
  t.notMatch(String(stranger.headers['set-cookie']), 'CloudFront')
})
