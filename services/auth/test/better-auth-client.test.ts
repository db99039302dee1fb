import { createAuthClient } from 'better-auth/client'
import t from 'tap'
import { newEmail, password, startAuthApp } from './auth-app.ts'

const { baseURL } = await setup(t)

async function setup(t: { teardown(work: () => unknown): void }) {
  const { app } = await startAuthApp(t)
  return { baseURL: await app.listen({ host: '127.0.0.1', port: 0 }) }
}

/** The client of the web apps, in a browser that keeps cookies. */
function openBrowser() {
  const jar = new Map<string, string>()
  const fetchWithCookies: typeof fetch = async (input, init) => {
    const headers = new Headers(init?.headers)
    headers.set('cookie', [...jar].map(([name, value]) => `${name}=${value}`).join('; '))
    headers.set('origin', 'https://funmagic.test')
    const response = await fetch(input, { ...init, headers })
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (value === '') jar.delete(name)
      else jar.set(name, value)
    }
    return response
  }
  const client = createAuthClient({ baseURL, fetchOptions: { customFetchImpl: fetchWithCookies } })
  return { client, jar }
}

t.test('the client signs up, in and out, and knows who it is in between', async t => {
  const { client, jar } = openBrowser()
  const email = newEmail()

  t.same(await client.getSession(), { data: null, error: null })
  const signedUp = await client.signUp.email({ name: 'Ada', email, password })
  t.match(signedUp, { error: null, data: { user: { email, name: 'Ada' } } })
  t.match(await client.getSession(), { error: null, data: { user: { email }, session: {} } })

  t.match(await client.signOut(), { error: null, data: { success: true } })
  t.equal(jar.size, 0, 'the cookie is gone')
  t.same(await client.getSession(), { data: null, error: null })

  const signedIn = await client.signIn.email({ email, password, rememberMe: true })
  t.match(signedIn, { error: null, data: { user: { email } } })
  t.match(await client.getSession(), { data: { user: { id: signedUp.data?.user.id } } })
})

t.test('dates come as the client makes them of ISO texts', async t => {
  const { client } = openBrowser()
  await client.signUp.email({ name: 'Ada', email: newEmail(), password })

  const { data } = await client.getSession()

  t.type(data?.session.expiresAt, Date)
  t.type(data?.user.createdAt, Date)
})

t.test('a refusal reaches the page with its status and our code', async t => {
  const { client } = openBrowser()
  const email = newEmail()
  await client.signUp.email({ name: 'Ada', email, password })

  const wrong = await client.signIn.email({ email, password: 'not the password' })
  const taken = await client.signUp.email({ name: 'Eve', email, password })

  t.match(wrong, { data: null, error: { status: 401 } })
  t.match(wrong.error, { error: { code: 'INVALID_EMAIL_OR_PASSWORD' } })
  t.match(taken, { data: null, error: { status: 409, error: { code: 'USER_ALREADY_EXISTS' } } })
})
