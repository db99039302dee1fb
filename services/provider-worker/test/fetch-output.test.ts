import type { LookupFunction } from 'node:net'
import t, { type Test } from 'tap'
import { fetchOutput, type FetchTerms } from '../src/fetch-output.ts'
import { isPublicAddress } from '../src/providers/public-addresses.ts'
import { startStub } from './http-stub.ts'
import { failsWith } from './provider-conformance.ts'

const terms: FetchTerms = {
  hosts: ['fal.media', '.fal.media'],
  trustedOrigin: undefined,
  bytesMax: 1_000,
  timeoutMs: 5_000,
  signal: new AbortController().signal,
}

/** A provider's own address, as an operator configures it, that answers like this. */
async function setup(t: Test, answer: Parameters<typeof startStub>[1]) {
  const { url } = await startStub(t, answer)
  return { url: `${url}/file`, terms: { ...terms, trustedOrigin: url } }
}

t.test('a file at the configured address of the provider is fetched', async t => {
  const world = await setup(t, (_request, reply) => {
    reply.writeHead(200, { 'content-type': 'image/png' }).end('bytes')
  })

  const { bytes, mimeType } = await fetchOutput(world.url, world.terms)

  t.equal(Buffer.from(bytes).toString(), 'bytes')
  t.equal(mimeType, 'image/png')
})

const strangeAddresses = [
  'https://example.com/file.png',
  'https://fal.media.example.com/file.png',
  'https://evilfal.media/file.png',
  'http://v3.fal.media/file.png',
  'https://v3.fal.media:8443/file.png',
  'https://user@v3.fal.media/file.png',
  'http://169.254.169.254/latest/meta-data/',
  'https://[::1]/file.png',
  'https://127.0.0.1/file.png',
  'file:///etc/passwd',
  'data:image/png;base64,AAAA',
  'not an address',
]
for (const address of strangeAddresses) {
  t.test(`${address} is not a place where the provider keeps files`, async t => {
    await failsWith(t, fetchOutput(address, terms), { kind: 'bad_response', isFinal: true })
  })
}

const insideAddresses = [
  '169.254.169.254',
  '169.254.170.2',
  '10.0.0.8',
  '100.64.0.1',
  '127.0.0.1',
  '192.168.1.1',
  '::1',
  'fd00:ec2::254',
  'fe80::1',
  '::ffff:169.254.169.254',
  '64:ff9b::a9fe:a9fe',
  '2002:a9fe:a9fe::1',
]
for (const address of insideAddresses) {
  t.test(`a listed host whose name leads to ${address} is not connected to`, async t => {
    const family = address.includes(':') ? 6 : 4
    const lookup: LookupFunction = (_name, _options, callback) => {
      callback(null, [
        { address: '104.18.0.1', family: 4 },
        { address, family },
      ])
    }

    const work = fetchOutput('https://v3.fal.media/file.png', { ...terms, lookup })

    await failsWith(t, work, { kind: 'bad_response', message: /private address/ })
  })
}

t.test('nor is an operator’s own address with TLS when its name leads inside', async t => {
  const lookup: LookupFunction = (_name, _options, callback) => {
    callback(null, [{ address: '10.0.0.8', family: 4 }])
  }
  const own = { ...terms, trustedOrigin: 'https://files.example.com', lookup }

  const work = fetchOutput('https://files.example.com/file.png', own)

  await failsWith(t, work, { kind: 'bad_response', message: /private address/ })
})

t.test('addresses of the internet are public', async t => {
  for (const address of ['104.18.0.1', '8.8.8.8', '2606:4700::6812:1']) {
    t.ok(isPublicAddress(address), address)
  }
})

t.test('a redirect is not followed', async t => {
  let requests = 0
  const world = await setup(t, (_request, reply) => {
    requests += 1
    reply.writeHead(302, { location: '/elsewhere' }).end()
  })

  await failsWith(t, fetchOutput(world.url, world.terms), { kind: 'bad_response', status: 302 })

  t.equal(requests, 1)
})

t.test('a file larger than the limit is not read to its end', async t => {
  const world = await setup(t, (_request, reply) => {
    const timer = setInterval(() => reply.write('a'.repeat(600)), 5)
    reply.on('close', () => clearInterval(timer))
  })

  await failsWith(t, fetchOutput(world.url, world.terms), {
    kind: 'bad_response',
    message: /larger than 1000 bytes/,
  })
})

const answers = [
  [404, 'expired'],
  [403, 'expired'],
  [410, 'expired'],
  [429, 'unavailable'],
  [500, 'unavailable'],
  [400, 'bad_response'],
  [204, 'bad_response'],
] as const
for (const [status, kind] of answers) {
  t.test(`a file that is answered with ${status} is ${kind}`, async t => {
    const world = await setup(t, (_request, reply) => void reply.writeHead(status).end())

    await failsWith(t, fetchOutput(world.url, world.terms), { kind, status })
  })
}

t.test('a file that never comes is given up after its time', async t => {
  const world = await setup(t, (_request, reply) => void reply.write('a'))

  const work = fetchOutput(world.url, { ...world.terms, timeoutMs: 200 })

  await failsWith(t, work, { kind: 'timed_out' })
})

t.test('a file that breaks off is worth another try', async t => {
  const world = await setup(t, (_request, reply) => {
    reply.writeHead(200, { 'content-length': '100' }).write('a', () => reply.destroy())
  })

  await failsWith(t, fetchOutput(world.url, world.terms), { kind: 'unavailable' })
})

t.test('an abort ends the fetch with its reason', async t => {
  const controller = new AbortController()
  const reason = new Error('enough')
  const world = await setup(t, () => controller.abort(reason))

  const work = fetchOutput(world.url, { ...world.terms, signal: controller.signal })

  await t.rejects(work, reason)
})
