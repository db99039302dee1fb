import { once } from 'node:events'
import { request as httpRequest, type RequestListener } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { readJson, startTarget, startTestAlb, until } from './target.ts'

async function setup(t: Test, handler: RequestListener, options: { idleTimeoutMs?: number } = {}) {
  const target = await startTarget(t, handler)
  const alb = await startTestAlb(t, { stable: { asset: [target.url] }, ...options })
  return { target, alb, port: Number(new URL(alb.url).port) }
}

const echoHeaders: RequestListener = (request, response) => {
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({ ...request.headersDistinct, url: request.url }))
}

t.test('a target learns who called: forwarded-for is appended, proto and port are set', async t => {
  const { port } = await setup(t, echoHeaders)

  const headers = {
    'x-forwarded-for': '203.0.113.7',
    'x-forwarded-proto': 'https',
    'x-forwarded-port': '1',
  }
  const request = httpRequest({ port, path: '/api/assets/%2e%2E/x?a=%2F', headers }).end()
  const [reply] = await once(request, 'response')
  const seen = JSON.parse(await text(reply))

  t.same(seen['x-forwarded-for'], ['203.0.113.7, 127.0.0.1'])
  t.same(seen['x-forwarded-proto'], ['http'])
  t.same(seen['x-forwarded-port'], [String(port)])
  t.match(seen['x-amzn-trace-id'], [/^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$/])
  t.equal(seen['url'], '/api/assets/%2e%2E/x?a=%2F', 'the path is passed on as it was sent')
  t.equal(reply.headers['x-served-by'], 'stable')
})

t.test('hop-by-hop headers and names that are not proper do not reach the target', async t => {
  const { port } = await setup(t, echoHeaders)

  const socket = connect(port, '127.0.0.1')
  socket.write(
    'GET /api/assets HTTP/1.1\r\nHost: x.test\r\nConnection: close, X-Private\r\n' +
      'X-Private: 1\r\nTE: trailers\r\nProxy-Authorization: Basic x\r\nX_Under: 1\r\n' +
      'X-Kept: 1\r\nX-Kept: 2\r\n\r\n',
  )
  const reply = await text(socket)
  const seen = JSON.parse(reply.slice(reply.indexOf('{'), reply.lastIndexOf('}') + 1))

  t.same(seen['host'], ['x.test'])
  t.same(seen['x-kept'], ['1', '2'])
  for (const name of ['x-private', 'te', 'proxy-authorization', 'x_under']) {
    t.notOk(seen[name], `${name} was dropped`)
  }
})

t.test('server-sent events arrive one by one, not when the stream has ended', async t => {
  let finish = () => {}
  const { alb } = await setup(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('id: 1\ndata: first\n\n')
    finish = () => response.end('id: 2\ndata: last\n\n')
  })

  const reply = await fetch(`${alb.url}/api/assets`)
  const reader = reply.body?.pipeThrough(new TextDecoderStream()).getReader()
  const first = await reader?.read()
  finish()
  const last = await reader?.read()

  t.match(first?.value, /first/)
  t.match(last?.value, /last/)
})

t.test('a large body streams up, and the reply keeps its status, cookies and body', async t => {
  const { alb } = await setup(t, async (request, response) => {
    let sizeBytes = 0
    for await (const chunk of request) sizeBytes += chunk.length
    response.setHeader('set-cookie', ['a=1', 'b=2'])
    response.writeHead(201, 'Made', { 'x-size': sizeBytes })
    response.end('made')
  })

  const body = Buffer.alloc(5_000_000, 7)
  const reply = await fetch(`${alb.url}/api/assets`, { method: 'POST', body })

  t.equal(reply.status, 201)
  t.same(reply.headers.getSetCookie(), ['a=1', 'b=2'])
  t.equal(reply.headers.get('x-size'), '5000000')
  t.equal(await reply.text(), 'made')
})

t.test('a chunked body of unknown length arrives whole, also with DELETE', async t => {
  const { port } = await setup(t, async (request, response) => response.end(await text(request)))

  const request = httpRequest({ port, method: 'DELETE', path: '/api/assets/1' })
  request.setHeader('transfer-encoding', 'chunked')
  request.write('one ')
  request.end('two')
  const [reply] = await once(request, 'response')

  t.equal(await text(reply), 'one two')
})

t.test('connections to a target are kept and used again', async t => {
  const sockets = new Set<unknown>()
  const { alb } = await setup(t, (request, response) => {
    sockets.add(request.socket)
    response.end()
  })

  for (let turn = 0; turn < 5; turn++) await (await fetch(`${alb.url}/api/assets`)).text()

  t.equal(sockets.size, 1)
})

t.test('a client that leaves takes its request away from the target', async t => {
  let isGone = false
  const { alb } = await setup(t, (_request, response) => {
    response.write('begin')
    response.once('close', () => (isGone = true))
  })
  const leave = new AbortController()

  const reply = await fetch(`${alb.url}/api/assets`, { signal: leave.signal })
  leave.abort()

  t.equal(reply.status, 200)
  await t.resolves(until(() => isGone))
})

t.test('an unknown path is 404 in the form of the platform, also for HEAD', async t => {
  const { alb } = await setup(t, echoHeaders)

  const reply = await fetch(`${alb.url}/nothing/here`)
  const head = await fetch(`${alb.url}/nothing/here`, { method: 'HEAD' })
  const body = await readJson(reply)

  t.equal(reply.status, 404)
  t.match(body, {
    error: {
      code: 'NOT_FOUND',
      message: String,
      details: null,
      requestId: reply.headers.get('x-request-id'),
      timestamp: /^20\d\d-.*Z$/,
    },
  })
  t.equal(head.status, 404)
})

t.test('a request too large for a load balancer is refused before any target sees it', async t => {
  let requests = 0
  const { alb, port } = await setup(t, (_request, response) => {
    requests++
    response.end()
  })

  const longAddress = await fetch(`${alb.url}/api/assets?q=${'x'.repeat(17_000)}`)
  const longLine = await fetch(`${alb.url}/api/assets`, { headers: { cookie: 'x'.repeat(17_000) } })
  const socket = connect(port, '127.0.0.1')
  socket.write(`GET /api/assets HTTP/1.1\r\n${'X-A: aaaaaaaaaaaaaaaa\r\n'.repeat(4_000)}\r\n`)
  const tooMuch = await text(socket)

  t.equal(longAddress.status, 414)
  t.equal(longLine.status, 400)
  t.match(tooMuch, /^HTTP\/1\.1 400 .*BAD_REQUEST/s)
  t.equal(requests, 0)
})
