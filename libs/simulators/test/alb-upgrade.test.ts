import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { startTarget, startTestAlb } from './target.ts'

/** Accepts every handshake and then sends back each byte it gets. */
async function setup(t: Test, options: { idleTimeoutMs?: number } = {}) {
  const target = await startTarget(t, (_request, response) => response.writeHead(401).end('no'))
  const seen: Record<string, unknown>[] = []
  target.server.on('upgrade', (request, socket) => {
    seen.push(request.headers)
    const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}`)
    socket.on('error', () => undefined)
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${accept.digest('base64')}\r\n\r\n`,
    )
    socket.pipe(socket)
  })
  const alb = await startTestAlb(t, { stable: { progress: [target.url] }, ...options })
  const socket = connect(Number(new URL(alb.url).port), '127.0.0.1')
  t.teardown(() => socket.destroy())
  return { socket, target, seen }
}

const handshake = (path: string) =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'

async function readUntil(socket: Socket, expected: RegExp): Promise<string> {
  let received = ''
  while (!expected.test(received)) {
    const [chunk] = await once(socket, 'data')
    received += String(chunk)
  }
  return received
}

t.test('a WebSocket handshake passes and bytes flow both ways, those sent early too', async t => {
  const { socket, seen } = await setup(t)

  socket.write(`${handshake('/api/progress/ws')}early`)
  const opening = await readUntil(socket, /early/)
  socket.write('later')
  await readUntil(socket, /later/)

  t.match(opening, /^HTTP\/1\.1 101 /)
  t.match(opening, /X-Served-By: stable/)
  t.match(seen[0], { upgrade: 'websocket', 'x-forwarded-for': '127.0.0.1' })
})

t.test('a handshake that the service refuses gets the refusal of the service', async t => {
  const { socket, target } = await setup(t)
  target.server.removeAllListeners('upgrade')

  socket.write(handshake('/api/progress/ws'))
  const reply = await text(socket)

  t.match(reply, /^HTTP\/1\.1 401 /)
  t.match(reply, /no$/)
})

t.test('a handshake for an unknown path is 404, for a service without copies 503', async t => {
  const { socket } = await setup(t)
  const alb = await startTestAlb(t, { stable: { progress: [] } })
  const other = connect(Number(new URL(alb.url).port), '127.0.0.1')

  socket.write(handshake('/nothing'))
  other.write(handshake('/api/progress/ws'))

  t.match(await text(socket), /^HTTP\/1\.1 404 .*NOT_FOUND/s)
  t.match(await text(other), /^HTTP\/1\.1 503 .*SERVICE_UNAVAILABLE/s)
})

t.test('a WebSocket on which nothing moves is closed after the idle time-out', async t => {
  const { socket } = await setup(t, { idleTimeoutMs: 50 })

  socket.write(handshake('/api/progress/ws'))
  await readUntil(socket, /101/)

  await t.resolves(once(socket, 'close'))
})
