import { spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { readSettings } from '../src/settings.ts'
import { startOrigin } from './origin.ts'
import { readJson, startTarget } from './target.ts'

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
const publicKeyPem = publicKey.export({ type: 'spki', format: 'pem' }).toString()

const environment = {
  EDGE_PORT: '0',
  CDN_PORT: '0',
  PRIVATE_CDN_PORT: '0',
  PROVIDERS_PORT: '0',
  S3_ENDPOINT: 'http://127.0.0.1:9',
  S3_ACCESS_KEY: 'AK',
  S3_SECRET_KEY: 'SK',
  S3_BUCKET_PUBLIC: 'bucket',
  S3_BUCKET_PRIVATE: 'private-bucket',
  S3_BUCKET_ADMIN: 'admin-bucket',
  CLOUDFRONT_KEYS: JSON.stringify([{ id: 'K1', publicKeyPem }]),
  SERVICE_ADDRESSES: JSON.stringify({ asset: 'http://127.0.0.1:9' }),
}

async function setup(t: Test, changes: Record<string, string>) {
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
  const env = { ...environment, ...changes, PATH: process.env['PATH'] }
  const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const lines: Record<string, unknown>[] = []
  const reader = createInterface(child.stdout)
  reader.on('line', line => lines.push(JSON.parse(line)))
  await Promise.race([once(reader, 'line'), once(child, 'exit')])
  return { child, lines }
}

t.test('one process serves them all, says where, and stops when it is told to', async t => {
  const target = await startTarget(t, (_request, response) => response.end('asset'))
  const origin = await startOrigin(t)
  origin.objects.set('public/a', { body: 'pixels' })
  const { child, lines } = await setup(t, {
    S3_ENDPOINT: origin.url,
    SERVICE_ADDRESSES: JSON.stringify({ asset: [target.url] }),
  })
  const { edge, cdn, privateCdn, providers } = lines[0] ?? {}

  t.match(lines[0], { event: 'simulators.started', time: String })
  t.equal(await (await fetch(`${edge}/api/assets`)).text(), 'asset')
  t.equal(await (await fetch(`${cdn}/public/a`)).text(), 'pixels')
  t.equal((await fetch(`${privateCdn}/private/a`)).status, 403)
  for (const url of [edge, cdn, privateCdn, providers]) {
    t.match(await readJson(await fetch(`${url}/health`)), { status: 'ok' })
  }
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  t.equal(code, 0)
  t.match(lines.at(-1), { event: 'simulators.stopped' })
})

t.test('a faulty environment stops the process at once and names every fault', async t => {
  const { child, lines } = await setup(t, { EDGE_PORT: 'abc', S3_ACCESS_KEY: '' })

  const code = child.exitCode ?? (await once(child, 'exit'))[0]

  t.equal(code, 1)
  t.match(lines[0], { event: 'simulators.failed', error: /EDGE_PORT is not a whole number/ })
  t.match(lines[0], { error: /S3_ACCESS_KEY is missing/ })
})

t.test('no variable is taken for something that it is not', async t => {
  const faults: [Record<string, string>, RegExp][] = [
    [{ CDN_PORT: '-1' }, /CDN_PORT is not a whole number/],
    [{ S3_ENDPOINT: 'localhost' }, /S3_ENDPOINT is not an http address/],
    [{ S3_BUCKET_PRIVATE: 'bucket' }, /must differ/],
    [{ CLOUDFRONT_KEYS: '{' }, /CLOUDFRONT_KEYS is not JSON/],
    [{ CLOUDFRONT_KEYS: '[{"id":"K"}]' }, /CLOUDFRONT_KEYS is not a list of/],
    [{ SERVICE_ADDRESSES: '{"asset":1}' }, /SERVICE_ADDRESSES is not an object of http addresses/],
    [{ SERVICE_ADDRESSES: '' }, /SERVICE_ADDRESSES is missing/],
    [{ WEB_ADDRESS: 'x' }, /WEB_ADDRESS is not an http address/],
  ]

  for (const [changes, fault] of faults) {
    t.throws(() => readSettings({ ...environment, ...changes }), { message: fault })
  }
})

t.test(
  'the optional variables have defaults, and lists may have one or more addresses',
  async t => {
    const settings = readSettings({
      ...environment,
      SERVICE_ADDRESSES: '{"asset":"http://a.test","credit":["http://b.test","http://c.test"]}',
      CDN_ALIASES: 'cdn.test,localhost:8',
    })

    t.match(settings, {
      host: '127.0.0.1',
      stable: { asset: ['http://a.test'], credit: ['http://b.test', 'http://c.test'] },
      beta: {},
      cdnAliases: ['cdn.test', 'localhost:8'],
      privateCdnAliases: [],
      latencyMs: 2_000,
      webFolder: undefined,
      webAddress: undefined,
    })
  },
)
