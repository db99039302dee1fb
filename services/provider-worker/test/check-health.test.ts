import { openCredentials } from '@funmagic/provider/credentials'
import { findProvider, saveProvider } from '@funmagic/provider/providers'
import { takeDueChecks } from '@funmagic/provider/health'
import { sql } from '@funmagic/database/sql'
import t, { type Test } from 'tap'
import { checkHealth } from '../src/check-health.ts'
import { createGatedRunner } from './gate-fixture.ts'
import { assertBooks, readTask } from './runner.ts'
import { secretKey, submitTask } from './worker-world.ts'

type World = Awaited<ReturnType<typeof setup>>

/** A provider with a key, and what the checks said about it. */
async function setup(t: Test) {
  const at = await createGatedRunner(t, {})
  const credentials = await openCredentials(secretKey)
  const changes: string[] = []
  const check = () =>
    checkHealth({
      database: at.database,
      credentials,
      events: {
        healthChanged: (provider, isHealthy) => void changes.push(`${provider} ${isHealthy}`),
        healthSeen: () => undefined,
        healthCheckFailed: error => {
          throw error
        },
      },
      intervalMs: 0,
      timeoutMs: 5_000,
    })
  const setKey = async (apiKey: string) => {
    const id = at.providerId
    const fal = { id, name: 'fal', type: 'fal', apiKey, baseUrl: at.providers.falUrl } as const
    await saveProvider(at.database, credentials, fal)
  }
  const isHealthy = async () => (await findProvider(at.database, at.providerId))?.isHealthy
  return { ...at, check, changes, setKey, isHealthy }
}

async function refuseOnce(at: World): Promise<string> {
  await at.setKey('invalid-key')
  const taskId = await submitTask(at)
  await at.run(taskId)
  return taskId
}

t.test(
  'a refused key fails the task at once, for nothing, and marks the provider (V-8)',
  async t => {
    const at = await setup(t)

    const taskId = await refuseOnce(at)

    t.match(await readTask(at, taskId), {
      status: 'failed',
      error: { code: 'PROVIDER_NOT_CONFIGURED' },
    })
    t.equal(await at.isHealthy(), false)
    t.match(await at.metrics.registry.metrics(), /provider_unhealthy\{[^}]*fal[^}]*\} 1/)
    await assertBooks(t, at, 0)
  },
)

t.test('once its key is good the provider is well again by itself (V9)', async t => {
  const at = await setup(t)
  await refuseOnce(at)

  await at.check()
  t.equal(await at.isHealthy(), false)

  await at.setKey('a-new-key')
  await at.check()
  t.equal(await at.isHealthy(), true)
  t.ok(at.changes.includes('fal true'))
})

t.test('every vendor is asked a question that tells a good key from a bad one', async t => {
  const at = await setup(t)
  await at.database.query(sql`UPDATE providers SET is_healthy = false`)

  await at.check()
  const { rows } = await at.database.query<{ type: string; ok: boolean }>(
    sql`SELECT type, is_healthy AS ok FROM providers ORDER BY type::text`,
  )

  t.strictSame(
    [...new Set(rows.map(({ type, ok }) => `${type} ${ok}`))],
    ['fal true', 'google true', 'openai true', 'replicate true', 'tripo true'],
  )
})

t.test('a provider that is down keeps the health that it had', async t => {
  const at = await setup(t)
  await at.database.query(sql`UPDATE providers SET base_url = 'http://127.0.0.1:1'`)

  await at.check()

  t.equal(await at.isHealthy(), true)
})

t.test('of two workers one checks, and again only after the interval', async t => {
  const at = await setup(t)
  const options = { olderThanMs: 60_000, limit: 100 }

  const taken = await Promise.all([1, 2].map(() => takeDueChecks(at.database, options)))

  t.equal(new Set(taken.flat()).size, taken.flat().length)
  t.strictSame(await takeDueChecks(at.database, options), [])
})
