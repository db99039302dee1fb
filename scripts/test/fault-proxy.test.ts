import { once } from 'node:events'
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { breakOff, FaultProxy, type LinkMode } from '../chaos/fault-proxy.ts'
import { Random } from '../chaos/random.ts'

interface Teardown {
  teardown(work: () => unknown): void
}

/** A server that sends back what it gets, behind a proxy. */
async function setup(t: Teardown) {
  const sockets = new Set<Socket>()
  const echo = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.pipe(socket)
  }).listen(0, '127.0.0.1')
  await once(echo, 'listening')
  const target = { host: '127.0.0.1', port: (echo.address() as AddressInfo).port }
  const proxy = await FaultProxy.start({ target, seed: 1 })
  t.teardown(async () => {
    await proxy[Symbol.asyncDispose]()
    for (const socket of sockets) socket.destroy()
    echo.close()
  })
  const connect = () => {
    const socket = createConnection({ host: '127.0.0.1', port: proxy.port })
    t.teardown(() => socket.destroy())
    return socket
  }
  return { proxy, connect }
}

async function answerTo(socket: Socket, words: string): Promise<string> {
  socket.end(words)
  return text(socket)
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
  return 'none'
}

const wholeModes: LinkMode[] = [
  { kind: 'pass' },
  { kind: 'delay', delayMs: 5, jitterMs: 5 },
  { kind: 'slice', sliceBytes: 3 },
]

for (const mode of wholeModes) {
  t.test(`${mode.kind} brings every byte, in order, and the end`, async t => {
    const { proxy, connect } = await setup(t)
    await proxy.set(mode)
    const words = Array.from({ length: 100 }, (_, index) => `word ${index}`).join(', ')

    t.equal(await answerTo(connect(), words), words)
  })
}

t.test('a blackhole keeps the connection and the bytes until it is healed', async t => {
  const { proxy, connect } = await setup(t)
  const socket = connect()
  await once(socket, 'connect')
  await proxy.set({ kind: 'blackhole' })
  const signal = AbortSignal.timeout(200)
  socket.end('are you there')

  await t.rejects(once(socket, 'data', { signal }), { name: 'AbortError' })
  await proxy.set({ kind: 'pass' })

  t.equal(await text(socket), 'are you there')
})

t.test('reset ends open connections with RST, and new ones', async t => {
  const { proxy, connect } = await setup(t)
  const open = connect()
  open.write('first')
  await once(open, 'data')

  const [code] = await Promise.all([codeOf(once(open, 'end')), proxy.set({ kind: 'reset' })])

  t.equal(code, 'ECONNRESET')
  t.equal(await codeOf(answerTo(connect(), 'second')), 'ECONNRESET')
  await proxy.set({ kind: 'pass' })
  t.equal(await answerTo(connect(), 'third'), 'third')
})

t.test('refuse refuses, and the same port listens again when healed', async t => {
  const { proxy, connect } = await setup(t)
  const { port } = proxy
  await proxy.set({ kind: 'refuse' })

  t.equal(await codeOf(answerTo(connect(), 'anyone')), 'ECONNREFUSED')
  await proxy.set({ kind: 'pass' })
  t.equal(proxy.port, port)
  t.equal(await answerTo(connect(), 'again'), 'again')
})

t.test('cut lets through exactly so many bytes of an answer', async t => {
  const { proxy, connect } = await setup(t)
  await proxy.set({ kind: 'cut', afterBytes: 4 })
  const socket = connect()
  let answer = ''
  socket.on('data', chunk => (answer += String(chunk)))

  socket.write('a longer question')

  t.match(await codeOf(once(socket, 'end')), /ECONNRESET/)
  t.equal(answer, 'a lo')
})

t.test('a seed gives the same numbers again, and each name others', async t => {
  const draw = (random: Random) => Array.from({ length: 20 }, () => random.between(1, 1_000))

  t.same(draw(new Random(7)), draw(new Random(7)))
  t.notSame(draw(Random.named(7, 'faults')), draw(Random.named(7, 'users')))
  t.same(new Set(new Random(3).shuffle([1, 2, 3, 4])), new Set([1, 2, 3, 4]))
})

t.test('a connection whose end is under way can be broken off', async t => {
  const accepted: Socket[] = []
  const server = createServer({ allowHalfOpen: true }, socket => void accepted.push(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const socket = createConnection({ host: '127.0.0.1', port, allowHalfOpen: true })
  t.teardown(() => {
    for (const other of accepted) other.destroy()
    server.close()
  })
  await once(socket, 'connect')
  const closed = once(socket, 'close')

  socket.end()
  await new Promise<void>(resolve => process.nextTick(resolve))
  t.equal(socket.writableFinished, false)
  breakOff(socket)

  await closed
  t.equal(socket.destroyed, true)
})
