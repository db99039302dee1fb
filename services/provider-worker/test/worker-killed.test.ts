import { sql } from '@funmagic/database/sql'
import t from 'tap'
import { assertBooks, readTask, rowsOf } from './runner.ts'
import { until } from './until.ts'
import { createSite, isCompleted, isSubmitted, submitsOf, type Site } from './worker-process.ts'
import { submitTask } from './worker-world.ts'

t.test('a worker that is killed while it waits costs one submission', async t => {
  const site = await createSite(t)
  const first = await site.startWorker(t)
  await site.providers.script({ provider: 'fal', mode: 'ok', latencyMs: 3_000 })
  const taskId = await submitTask(site)
  await isSubmitted(site, taskId)

  first.signal('SIGKILL')
  t.equal(await first.exit(), 'SIGKILL')
  await site.startWorker(t)
  await isCompleted(site, taskId)

  t.equal(await submitsOf(site, 'fal'), 1)
  t.match(await readTask(site, taskId), { attempt: 2, retries: 0 })
  await assertBooks(t, site, 1)
})

t.test('a worker that is killed within a call costs one submission more at most (W4)', async t => {
  const site = await createSite(t)
  const first = await site.startWorker(t)
  await site.providers.script({ provider: 'openai', mode: 'ok', latencyMs: 3_000 })
  const taskId = await submitTask(site, { tool: 'openai' })
  await until(async () => (await submitsOf(site, 'openai')) === 1)

  first.signal('SIGKILL')
  await site.startWorker(t)
  await isCompleted(site, taskId)

  t.equal(await submitsOf(site, 'openai'), 2)
  await assertBooks(t, site, 1)
})

t.test('workers killed at any moment lose no task and charge none twice', async t => {
  const site = await createSite(t)
  await site.providers.script({ provider: 'fal', mode: 'ok', latencyMs: 400, times: 100 })
  const taskIds = await Promise.all([1, 2, 3, 4, 5].map(() => submitTask(site)))
  const delaysMs = [0, 30, 80, 150, 300]
  for (const delayMs of delaysMs) {
    const worker = await site.startWorker(t)
    await until(() => areTakenUp(site))
    const killAtMs = performance.now() + delayMs
    await until(() => performance.now() > killAtMs)
    worker.signal('SIGKILL')
    await worker.exit()
  }

  await site.startWorker(t)
  for (const taskId of taskIds) await isCompleted(site, taskId)

  const unknowns = sql`SELECT count(*) AS count FROM provider_calls WHERE error_kind = 'unknown'`
  const [crashes] = await rowsOf(site, unknowns)
  const submits = await submitsOf(site, 'fal')
  t.ok(submits >= taskIds.length && submits <= taskIds.length + Number(crashes?.['count']))
  await assertBooks(t, site, taskIds.length)
})

/** Every task is over, or claimed by a worker that has shown a sign of life. */
async function areTakenUp(site: Site): Promise<boolean> {
  const open = sql`SELECT id FROM tasks
    WHERE status = 'pending' OR (status = 'processing' AND lease_until < now())`
  return (await rowsOf(site, open)).length === 0
}
