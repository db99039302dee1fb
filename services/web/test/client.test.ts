import t from 'tap'
import { get, post, watchSessionEnd } from '../src/api/client.ts'
import { ApiProblem } from '../src/api/problem.ts'
import { reply, startPlatform, useOrigin } from './fake-platform.ts'

/** The problem that a request meets. */
async function problemOf(work: Promise<unknown>): Promise<ApiProblem> {
  const thrown = await work.catch((error: unknown) => error)
  if (thrown instanceof ApiProblem) return thrown
  throw new Error(`no problem: ${String(thrown)}`)
}

t.test('a problem of the platform comes with its code, its fix and its request', async t => {
  const details = { field: 'input.prompt', suggestion: 'Shorten it.' }
  const error = { code: 'INVALID_INPUT', message: 'It cannot.', details }
  await startPlatform(t, (_request, response) => reply(response, 422, { error }))

  const problem = await problemOf(post('/api/tasks', { body: {} }))

  t.match(problem, { code: 'INVALID_INPUT', message: 'It cannot.', requestId: 'r-1', ...details })
})

t.test('an answer that is not of the platform, and none at all, are problems too', async t => {
  await startPlatform(t, (request, response) => {
    response.writeHead(request.url === '/broken' ? 200 : 502, { 'content-type': 'text/html' })
    response.end('<h1>Bad gateway</h1>')
  })
  const strange = await problemOf(get('/api/tools'))
  const broken = await problemOf(get('/broken'))
  // Port 9 takes no connections: browsers and Node refuse to use it.
  useOrigin(t, 'http://127.0.0.1:9')
  const unreachable = await problemOf(get('/api/tools'))

  t.match([strange.code, strange.requestId], ['UNREADABLE', undefined])
  t.equal(broken.code, 'UNREADABLE')
  t.equal(unreachable.code, 'OFFLINE')
  t.match(unreachable.suggestion, 'connection')
})

t.test('the end of a session is told to who watches it, and a wrong password is none', async t => {
  let ends = 0
  watchSessionEnd(() => ends++)
  t.teardown(() => watchSessionEnd(() => undefined))
  await startPlatform(t, (request, response) => {
    const code = request.url === '/api/credits' ? 'UNAUTHORIZED' : 'INVALID_EMAIL_OR_PASSWORD'
    reply(response, 401, { error: { code, message: 'No.', details: null } })
  })

  await problemOf(post('/api/auth/sign-in/email', { body: {} }))
  t.equal(ends, 0)
  await problemOf(get('/api/credits'))
  t.equal(ends, 1)
})

t.test('what is not given is not in the query, and an order carries its key', async t => {
  const requests = await startPlatform(t, (_request, response) => reply(response, 200, {}))

  await get('/api/assets', {
    query: { q: 'a cat & a dog', cursor: undefined, kind: '', limit: 24 },
  })
  await post('/api/tasks', { body: {}, idempotencyKey: 'k-1' })

  t.equal(requests[0]?.url, '/api/assets?q=a+cat+%26+a+dog&limit=24')
  t.equal(requests[1]?.headers['idempotency-key'], 'k-1')
})
