import t, { type Test } from 'tap'
import {
  createExchange,
  kindOfStatus,
  parseRetryAfter,
  type ExchangeOptions,
  type Terms,
} from '../src/providers/exchange.ts'
import { startStub } from './http-stub.ts'
import { failsWith } from './provider-conformance.ts'

const terms: Terms = {
  operation: 'submit',
  timeoutMs: 5_000,
  signal: new AbortController().signal,
}

async function setup(t: Test, answer: Parameters<typeof startStub>[1]) {
  let requests = 0
  const { url } = await startStub(t, (request, reply) => {
    requests += 1
    return answer(request, reply)
  })
  const options: ExchangeOptions = {
    provider: 'fal',
    hosts: ['queue.fal.run'],
    baseUrl: url,
    responseBytesMax: 1_000,
    observe: () => undefined,
  }
  return { url, exchange: createExchange(options), countRequests: () => requests }
}

t.test('a client that tries again by itself is stopped at its first failure', async t => {
  const world = await setup(t, (_request, reply) => void reply.writeHead(503).end())

  const work = world.exchange(terms, async fetch => {
    for (let tries = 0; tries < 4; tries++) {
      // A client that swallows what it meets, as replicate-javascript does.
      await fetch(world.url).catch(() => undefined)
    }
    return 'what the client makes of it'
  })

  await failsWith(t, work, { kind: 'unavailable', status: 503 })
  t.equal(world.countRequests(), 1)
})

t.test('a client that sleeps before it tries again is not waited for', async t => {
  const world = await setup(t, (_request, reply) => void reply.writeHead(503).end())
  const never = Promise.withResolvers<never>()

  const work = world.exchange(terms, fetch => fetch(world.url).catch(() => never.promise))

  await failsWith(t, work, { kind: 'unavailable' })
})

t.test('an operator’s address that leads into our own network is not connected to', async t => {
  for (const address of ['10.0.0.8', '169.254.169.254', '127.0.0.1', 'fd00:ec2::254']) {
    const exchange = createExchange({
      provider: 'fal',
      hosts: ['queue.fal.run'],
      baseUrl: 'https://queue.example.com',
      findAddresses: async () => [
        { address: '104.18.0.1', family: 4 },
        { address, family: address.includes(':') ? 6 : 4 },
      ],
      responseBytesMax: 1_000,
      observe: () => undefined,
    })

    const work = exchange(terms, fetch => fetch('https://queue.example.com/submit'))

    await failsWith(t, work, { kind: 'misconfigured', message: /private address/ })
  }
})

t.test('nothing is sent to another host, whatever the provider says', async t => {
  const world = await setup(t, (_request, reply) => void reply.end())
  const strange = ['https://example.com/upload', 'http://queue.fal.run/', 'http://127.0.0.1:1/']

  for (const address of strange) {
    const work = world.exchange(terms, fetch => fetch(address))
    await failsWith(t, work, { kind: 'bad_response', message: /another host/ })
  }

  t.equal(world.countRequests(), 0)
})

t.test('a redirect is an answer that the vendor does not document', async t => {
  const world = await setup(t, (_request, reply) => {
    reply.writeHead(307, { location: 'https://example.com/' }).end()
  })

  const work = world.exchange(terms, fetch => fetch(world.url))

  await failsWith(t, work, { kind: 'bad_response', status: 307 })
})

t.test('a failure repeats neither addresses nor keys nor pictures', async t => {
  const secrets = [
    'https://files/?sig=1',
    'sk-proj-0123456789abcdefghijklmnop',
    'iVBORw0K'.repeat(9),
  ]
  const world = await setup(t, (_request, reply) => {
    reply.writeHead(400).end(`cannot use ${secrets.join(' or ')}`)
  })

  const error: unknown = await world
    .exchange(terms, fetch => fetch(world.url))
    .catch((failure: unknown) => failure)

  const text = error instanceof Error ? error.message : ''
  t.equal(text, 'submit was answered with 400: cannot use [address] or […] or […]')
})

t.test('what the client cannot make sense of is a bad response', async t => {
  const world = await setup(t, (_request, reply) => void reply.end('<html>'))

  const work = world.exchange(terms, async fetch => (await fetch(world.url)).json())

  await failsWith(t, work, { kind: 'bad_response', isFinal: true })
})

t.test('a reply without content is a reply', async t => {
  const world = await setup(t, (_request, reply) => void reply.writeHead(204).end())

  const reply = await world.exchange(terms, fetch => fetch(world.url))

  t.equal(reply.status, 204)
})

t.test('each status has one meaning', async t => {
  const meanings = [
    [301, 'bad_response'],
    [400, 'rejected'],
    [401, 'unauthorized'],
    [402, 'misconfigured'],
    [403, 'misconfigured'],
    [404, 'misconfigured'],
    [408, 'unavailable'],
    [413, 'rejected'],
    [422, 'rejected'],
    [429, 'throttled'],
    [500, 'unavailable'],
    [504, 'unavailable'],
  ] as const

  for (const [status, kind] of meanings) t.equal(kindOfStatus(status), kind, String(status))
  t.equal(kindOfStatus(404, 'expired'), 'expired')
})

t.test('Retry-After is seconds or a date', async t => {
  const nowMs = Date.parse('2026-11-20T10:00:00Z')

  t.equal(parseRetryAfter('7', nowMs), 7_000)
  t.equal(parseRetryAfter('Fri, 20 Nov 2026 10:00:30 GMT', nowMs), 30_000)
  t.equal(parseRetryAfter('Fri, 20 Nov 2026 09:00:00 GMT', nowMs), 0)
  t.equal(parseRetryAfter('soon', nowMs), undefined)
  t.equal(parseRetryAfter(null, nowMs), undefined)
})
