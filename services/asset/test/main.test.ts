import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { createTestDatabase, findFreePort } from '@funmagic/database/testing'
import t from 'tap'
import { cdnUrl, makeSigningKey, privateCdnUrl } from './asset-app.ts'

const main = new URL('../src/main.ts', import.meta.url).pathname

/** The service as a process. */
function start(environment: Record<string, string>) {
  const service = spawn(process.execPath, [main], { env: environment, stdio: 'pipe' })
  const output: string[] = []
  service.stdout.on('data', data => output.push(String(data)))
  service.stderr.on('data', data => output.push(String(data)))
  return { service, output, exited: once(service, 'exit') }
}

/** The reply of a service that may still be starting, within twenty seconds. */
async function getWhenReady(url: string): Promise<Response> {
  const deadline = Date.now() + 20_000
  while (Date.now() < deadline) {
    const reply = await fetch(url).catch(() => undefined)
    if (reply !== undefined) return reply
    await wait(50)
  }
  throw new Error(`${url} was not ready in time`)
}

t.test('the process serves, and at SIGTERM closes in order and exits with 0', async t => {
  const { url } = await createTestDatabase(t)
  const port = String(await findFreePort())
  const fromTests = Object.entries(process.env).filter(([name]) => /^(S3|REDIS)_/.test(name))
  const { service, output, exited } = start({
    ...Object.fromEntries(fromTests.map(([name, value]) => [name, value ?? ''])),
    DATABASE_URL: url,
    PORT: port,
    DRAIN_MS: '0',
    RATE_LIMIT_PROFILE: 'development',
    CDN_URL: cdnUrl,
    PRIVATE_CDN_URL: privateCdnUrl,
    CLOUDFRONT_KEY_PAIR_ID: 'K1',
    CLOUDFRONT_PRIVATE_KEY: makeSigningKey(),
    SWEEP_INTERVAL_MS: '100',
  })

  const health = await getWhenReady(`http://127.0.0.1:${port}/health/all`)
  const feed = await fetch(`http://127.0.0.1:${port}/api/assets/shared`)
  service.kill('SIGTERM')
  const [code] = await exited

  const ok = { status: 'ok' }
  t.match(await health.json(), { checks: { db: ok, redis: ok, storage: ok } })
  t.same(await feed.json(), { items: [], nextCursor: null })
  t.equal(code, 0, output.join(''))
})

t.test('a wrong environment is told in one go and nothing is opened', async t => {
  const { output, exited } = start({ PORT: 'abc', S3_ENDPOINT: 'nonsense' })

  const [code] = await exited

  t.equal(code, 1)
  const names = ['PORT', 'DATABASE_URL', 'REDIS_CACHE_URL', 'S3_ENDPOINT', 'S3_REGION']
  for (const name of [...names, 'S3_BUCKET_PRIVATE', 'CDN_URL', 'CLOUDFRONT_PRIVATE_KEY']) {
    t.match(output.join(''), name)
  }
})
