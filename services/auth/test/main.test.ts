import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { createTestDatabase, findFreePort } from '@funmagic/database/testing'
import t from 'tap'

const main = new URL('../src/main.ts', import.meta.url).pathname

/** The service as a process. */
function start(environment: Record<string, string>) {
  const service = spawn(process.execPath, [main], { env: environment, stdio: 'pipe' })
  const output: string[] = []
  service.stdout.on('data', data => output.push(String(data)))
  service.stderr.on('data', data => output.push(String(data)))
  const exited = once(service, 'exit')
  return { service, output, exited }
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000
  while (Date.now() < deadline) {
    if (await condition()) return
    await wait(50)
  }
  throw new Error('the condition was not met in time')
}

t.test('the process serves, and at SIGTERM closes in order and exits with 0', async t => {
  const { url } = await createTestDatabase(t)
  const port = String(await findFreePort())
  const { service, output, exited } = start({
    DATABASE_URL: url,
    REDIS_CACHE_URL: process.env['REDIS_CACHE_URL'] ?? '',
    PORT: port,
    DRAIN_MS: '0',
    RATE_LIMIT_PROFILE: 'development',
  })
  const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`)

  await until(() =>
    get('/health').then(
      reply => reply.ok,
      () => false,
    ),
  )
  const health = await get('/health/all')
  const session = await get('/api/auth/get-session')
  service.kill('SIGTERM')
  const [code] = await exited

  t.match(await health.json(), { checks: { db: { status: 'ok' }, redis: { status: 'ok' } } })
  t.equal(await session.text(), 'null')
  t.equal(code, 0, output.join(''))
})

t.test('a wrong environment is told in one go and nothing is opened', async t => {
  const { output, exited } = start({ PORT: 'abc', SIGNUP_BONUS_CREDITS: '-1' })

  const [code] = await exited

  t.equal(code, 1)
  for (const name of ['PORT', 'SIGNUP_BONUS_CREDITS', 'DATABASE_URL', 'REDIS_CACHE_URL']) {
    t.match(output.join(''), name)
  }
})
