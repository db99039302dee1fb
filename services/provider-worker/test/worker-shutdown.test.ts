import t, { type Test } from 'tap'
import { callsOf, readTask } from './runner.ts'
import { until } from './until.ts'
import { createSite, type Site } from './worker-process.ts'
import { submitTask } from './worker-world.ts'

/** A worker with a task whose provider never ends it. */
async function startStuck(t: Test, site: Site, tool: 'fal' | 'openai') {
  const worker = await site.startWorker(t)
  await site.providers.script({ provider: tool, mode: 'stuck' })
  const taskId = await submitTask(site, { tool })
  await until(async () => (await site.providers.calls()).providers[tool].submits === 1)
  const state = tool === 'fal' ? 'submitted' : 'submitting'
  await until(async () => (await callsOf(site, taskId))[0]?.['state'] === state)
  return { worker, taskId }
}

t.test('SIGTERM hands back what waits and ends the worker at once, in order', async t => {
  const site = await createSite(t)
  const { worker, taskId } = await startStuck(t, site, 'fal')
  const stoppedAtMs = performance.now()

  worker.signal('SIGTERM')

  t.equal(await worker.exit(), 0)
  t.ok(performance.now() - stoppedAtMs < 8_000, 'long before the grace')
  t.match(await readTask(site, taskId), { status: 'pending', retries: 0 })
  t.match(await callsOf(site, taskId), [{ state: 'submitted' }])
})

t.test('SIGTERM gives the grace to a call that cannot be taken up, and no more', async t => {
  const site = await createSite(t)
  const worker = await site.startWorker(t, { WORKER_GRACE_MS: '1000' })
  await site.providers.script({ provider: 'openai', mode: 'stuck' })
  const taskId = await submitTask(site, { tool: 'openai' })
  await until(async () => (await site.providers.calls()).providers.openai.submits === 1)
  const stoppedAtMs = performance.now()

  worker.signal('SIGTERM')

  t.equal(await worker.exit(), 0)
  const tookMs = performance.now() - stoppedAtMs
  t.ok(tookMs >= 1_000 && tookMs < 10_000, `${tookMs}`)
  t.match(await readTask(site, taskId), { status: 'pending', retries: 0 })
})

t.test('a second SIGTERM ends the worker at once, and the lease frees its task', async t => {
  const site = await createSite(t)
  const { worker, taskId } = await startStuck(t, site, 'openai')

  worker.signal('SIGTERM')
  await until(() => worker.lines.some(({ msg }) => msg === 'stopping: SIGTERM'))
  worker.signal('SIGTERM')

  t.equal(await worker.exit(), 1)
  await until(async () => (await readTask(site, taskId)).status === 'pending')
  t.pass('the sweeper has it')
})
