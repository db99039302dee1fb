import type { RequestListener } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { startTarget, startTestAlb, until } from './target.ts'

const say =
  (word: string): RequestListener =>
  (request, response) => {
    request.resume()
    response.end(word)
  }

async function answers(url: string, count: number): Promise<string[]> {
  const words: string[] = []
  for (let turn = 0; turn < count; turn++) words.push(await (await fetch(url)).text())
  return words
}

t.test('the beta header and cookie reach the beta copies, everything else the stable', async t => {
  const stable = await startTarget(t, say('stable'))
  const beta = await startTarget(t, say('beta'))
  const alb = await startTestAlb(t, {
    stable: { asset: [stable.url], credit: [stable.url] },
    beta: { asset: [beta.url] },
  })
  const ask = async (path: string, headers: Record<string, string> = {}) => {
    const reply = await fetch(alb.url + path, { headers })
    return [await reply.text(), reply.headers.get('x-served-by')]
  }

  t.same(await ask('/api/assets'), ['stable', 'stable'])
  t.same(await ask('/api/assets', { 'x-dev-mode': 'true' }), ['beta', 'beta'])
  t.same(await ask('/api/assets', { cookie: 'a=b; x-beta-access=true' }), ['beta', 'beta'])
  t.same(await ask('/api/assets', { cookie: 'nox-beta-access=trueish' }), ['stable', 'stable'])
  t.same(await ask('/api/credits', { 'x-dev-mode': 'true' }), ['stable', 'beta'], 'by default')
})

t.test('a service that says who it is, as on AWS, is believed and not talked over', async t => {
  const { url } = await startTarget(t, (request, response) => {
    request.resume()
    response.setHeader('x-served-by', 'beta')
    response.end()
  })
  const alb = await startTestAlb(t, { stable: { asset: [url] } })

  const reply = await fetch(`${alb.url}/api/assets`)

  t.equal(reply.headers.get('x-served-by'), 'beta', 'once')
})

t.test('requests go round the healthy copies and pass by one that says it is not', async t => {
  let health = 200
  const one = await startTarget(t, say('one'), { health: () => health })
  const two = await startTarget(t, say('two'))
  const alb = await startTestAlb(t, { stable: { asset: [one.url, two.url] } })
  const url = `${alb.url}/api/assets`

  const both = await answers(url, 4)
  health = 503
  await until(() => alb.healthyCount('stable', 'asset') === 1)
  const remaining = await answers(url, 4)

  t.same(both.toSorted(), ['one', 'one', 'two', 'two'])
  t.same(remaining, ['two', 'two', 'two', 'two'])
})

t.test('when every copy is unhealthy the balancer fails open and asks them all', async t => {
  const target = await startTarget(t, say('still here'), { health: () => 503 })
  const alb = await startTestAlb(t, { stable: { asset: [target.url] } })
  await until(() => alb.healthyCount('stable', 'asset') === 0)

  const reply = await fetch(`${alb.url}/api/assets`)

  t.equal(await reply.text(), 'still here')
})

t.test('a copy that refuses the connection is passed by, whatever the method is', async t => {
  const gone = await startTarget(t, say('gone'))
  const here = await startTarget(t, say('here'))
  const addresses = [gone.url, here.url]
  await gone.close()
  const alb = await startTestAlb(t, { stable: { asset: addresses }, healthIntervalMs: 60_000 })

  const replies = await Promise.all(
    Array.from({ length: 4 }, () =>
      fetch(`${alb.url}/api/assets`, { method: 'POST', body: 'x' }).then(reply => reply.text()),
    ),
  )

  t.same(replies, ['here', 'here', 'here', 'here'])
})

t.test('requests wait for a service that restarts, and none of them is lost', async t => {
  const before = await startTarget(t, say('before'))
  const alb = await startTestAlb(t, { stable: { asset: [before.url] }, waitMs: 5_000 })
  await before.close()

  const waiting = Promise.all(
    Array.from({ length: 5 }, () =>
      fetch(`${alb.url}/api/assets`, { method: 'POST', body: 'x' }).then(reply => reply.text()),
    ),
  )
  await until(() => alb.healthyCount('stable', 'asset') === 0)
  await startTarget(t, say('after'), { port: before.port })

  t.same(await waiting, ['after', 'after', 'after', 'after', 'after'])
})

t.test('a service that stays away is 502, one without copies is 503', async t => {
  const gone = await startTarget(t, say(''))
  await gone.close()
  const alb = await startTestAlb(t, { stable: { asset: [gone.url], credit: [] } })

  const refused = await fetch(`${alb.url}/api/assets`)
  const empty = await fetch(`${alb.url}/api/credits`)
  const unregistered = await fetch(`${alb.url}/api/tools`)

  t.equal(refused.status, 502)
  t.match(await refused.json(), { error: { code: 'BAD_GATEWAY' } })
  t.equal(empty.status, 503)
  t.match(await empty.json(), { error: { code: 'SERVICE_UNAVAILABLE' } })
  t.equal(unregistered.status, 503)
})

t.test('a service that says nothing for the idle time-out is 504, once', async t => {
  let requests = 0
  const target = await startTarget(t, () => requests++)
  const alb = await startTestAlb(t, { stable: { asset: [target.url] }, idleTimeoutMs: 50 })

  const reply = await fetch(`${alb.url}/api/assets`)

  t.equal(reply.status, 504)
  t.match(await reply.json(), { error: { code: 'GATEWAY_TIMEOUT' } })
  t.equal(requests, 1)
})

t.test('a client that stops in mid-request is told 408 after the idle time-out', async t => {
  const target = await startTarget(t, request => request.resume())
  const alb = await startTestAlb(t, { stable: { asset: [target.url] }, idleTimeoutMs: 50 })
  const socket = connect(Number(new URL(alb.url).port), '127.0.0.1')

  socket.write('POST /api/assets HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc')

  t.match(await text(socket), /^HTTP\/1\.1 408 .*REQUEST_TIMEOUT/s)
})

t.test('a service that hangs up without an answer is 502, and a POST is not repeated', async t => {
  let requests = 0
  const target = await startTarget(t, request => {
    requests++
    request.socket.destroy()
  })
  const alb = await startTestAlb(t, { stable: { asset: [target.url] } })

  const reply = await fetch(`${alb.url}/api/assets`, { method: 'POST', body: 'x' })

  t.equal(reply.status, 502)
  t.equal(requests, 1)
})

t.test('a service that breaks off in mid-reply cuts the client off, too', async t => {
  const target = await startTarget(t, (request, response) => {
    response.writeHead(200, { 'content-length': 100 })
    response.write('some', () => request.socket.destroy())
  })
  const alb = await startTestAlb(t, { stable: { asset: [target.url] } })

  const reply = await fetch(`${alb.url}/api/assets`)

  t.equal(reply.status, 200)
  await t.rejects(reply.text(), 'a short body must not pass for a whole one')
})

t.test('a GET that meets a kept connection just being closed is sent once more', async t => {
  const known = new Set<unknown>()
  let cut = 0
  const target = await startTarget(t, (request, response) => {
    if (!known.has(request.socket)) return known.add(request.socket) && response.end('ok')
    cut++
    return request.socket.destroy()
  })
  const alb = await startTestAlb(t, { stable: { asset: [target.url] } })

  const words = await answers(`${alb.url}/api/assets`, 3)

  t.same(words, ['ok', 'ok', 'ok'])
  t.equal(cut, 1, 'the second met a closed connection')
})

t.test('an ill-formed request is 400 and reaches nobody', async t => {
  let requests = 0
  const target = await startTarget(t, () => requests++)
  const alb = await startTestAlb(t, { stable: { asset: [target.url] } })

  const socket = connect(Number(new URL(alb.url).port), '127.0.0.1')
  socket.write(
    'POST /api/assets HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n' +
      'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n',
  )

  t.match(await text(socket), /^HTTP\/1\.1 400/)
  t.equal(requests, 0)
})
