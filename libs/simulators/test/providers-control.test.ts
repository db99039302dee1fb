import { request as httpRequest } from 'node:http'
import t, { type Test } from 'tap'
import { startProviders } from '../src/providers/providers.ts'
import { readJson } from './target.ts'

async function setup(t: Test, latencyMs = 10) {
  const providers = await startProviders({ latencyMs, drainMs: 0 })
  t.teardown(() => providers[Symbol.asyncDispose]())
  const draw = (prompt = 'x', headers: Record<string, string> = {}) =>
    fetch(`${providers.openaiUrl}/images/generations`, {
      method: 'POST',
      headers: { authorization: 'Bearer sk', 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ model: 'gpt-image-1.5', prompt }),
    })
  const control = (method: string, path: string, body?: unknown) =>
    fetch(`${providers.url}/_control/${path}`, {
      method,
      ...(body !== undefined && {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    })
  return { providers, draw, control }
}

t.test('a script counts for as many calls as it says, and only for those that match', async t => {
  const { draw, control } = await setup(t)

  const set = await control('POST', 'scripts', {
    provider: 'openai',
    mode: '503',
    times: 2,
    match: { contains: 'cat' },
  })
  const statuses = []
  for (const prompt of ['a cat', 'a dog', 'a cat', 'a cat']) {
    statuses.push((await draw(prompt)).status)
  }

  t.equal(set.status, 204)
  t.same(statuses, [503, 200, 503, 200])
})

t.test('scripts are used up in order, and can be taken back', async t => {
  const { draw, control } = await setup(t)
  for (const mode of ['500', '429', '503'])
    await control('POST', 'scripts', { provider: 'openai', mode })

  const first = await draw()
  const second = await draw()
  await control('DELETE', 'scripts')
  const third = await draw()

  t.same([first.status, second.status, third.status], [500, 429, 200])
})

t.test('a script that is none is refused', async t => {
  const { control } = await setup(t)
  const bad = [{}, { provider: 'openai', mode: 'explode' }, { provider: 'x', mode: 'ok' }]

  for (const script of [...bad, { provider: 'openai', mode: 'ok', extra: 1 }]) {
    t.equal((await control('POST', 'scripts', script)).status, 400, JSON.stringify(script))
  }
})

t.test(
  'calls are counted where they arrive: work taken on, attempts, and most at once',
  async t => {
    const { providers, draw, control } = await setup(t, 50)
    providers.script({ provider: 'openai', mode: '429' })

    await draw('x', { 'x-client-request-id': 'task-1' })
    await Promise.all([draw('y', { 'x-client-request-id': 'task-2' }), draw('z'), draw('z')])
    const report = await readJson(await control('GET', 'calls'))

    t.match(report, {
      providers: { openai: { submits: 3, attempts: 4, open: 0, openMax: 3 }, fal: { submits: 0 } },
      calls: [
        { clientReference: 'task-1', mode: '429', isAccepted: false, model: 'gpt-image-1.5' },
        { clientReference: 'task-2', mode: 'ok', isAccepted: true, operation: 'submit' },
      ],
    })
    const [, , one, two] = providers.calls().calls
    t.ok(one?.inputSha256)
    t.equal(one?.inputSha256, two?.inputSha256, 'the same order can be recognised')
    await control('DELETE', 'calls')
    t.equal(providers.calls().providers.openai.attempts, 0)
  },
)

t.test('work whose reply is cut off was taken on nevertheless', async t => {
  const { providers, draw } = await setup(t)
  providers.script({ provider: 'openai', mode: 'cut' })

  await t.rejects(draw().then(reply => reply.text()))

  t.match(providers.calls().providers.openai, { submits: 1, open: 0 })
})

t.test('a huge reply goes on for as long as it is read', async t => {
  const { providers } = await setup(t)
  providers.script({ provider: 'openai', mode: 'huge' })
  const headers = { authorization: 'Bearer sk', 'content-type': 'application/json' }

  const sizeBytes = await new Promise<number>((resolve, reject) => {
    const url = `${providers.openaiUrl}/images/generations`
    const request = httpRequest(url, { method: 'POST', headers }, reply => {
      let received = 0
      reply.on('error', () => undefined)
      reply.on('data', chunk => {
        received += chunk.length
        if (received > 5_000_000) {
          request.destroy()
          resolve(received)
        }
      })
    })
    request.on('error', reject)
    request.end('{}')
  })

  t.ok(sizeBytes > 5_000_000)
})

t.test('a script can make work slow or fast', async t => {
  const { providers, draw } = await setup(t, 60_000)
  providers.script({ provider: 'openai', mode: 'ok', latencyMs: 1 })

  const reply = await draw()

  t.equal(reply.status, 200)
})

t.test('closing ends calls that hang', async t => {
  const { providers, draw } = await setup(t)
  providers.script({ provider: 'openai', mode: 'hang' })

  const hanging = draw()
  while (providers.calls().calls.length === 0) await new Promise(resolve => setImmediate(resolve))
  await providers[Symbol.asyncDispose]()

  await t.rejects(hanging)
})
