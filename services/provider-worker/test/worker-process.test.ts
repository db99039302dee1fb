import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import t from 'tap'
import { assertBooks, readTask, rowsOf } from './runner.ts'
import { until } from './until.ts'
import { createSite, isCompleted, isSubmitted, submitsOf, type Site } from './worker-process.ts'
import { submitTask } from './worker-world.ts'

t.test('a worker takes tasks from the queue, and says how it is', async t => {
  const site = await createSite(t)
  const worker = await site.startWorker(t)
  const taskId = await submitTask(site)

  await isCompleted(site, taskId)

  const health = await (await fetch(`${worker.url}/health/all`)).json()
  t.match(health, { status: 'ok', checks: { db: {}, redis: {}, queue: {} } })
  const metrics = await (await fetch(`${worker.url}/metrics`)).text()
  t.match(metrics, /tasks_total\{.*status="completed".*\} 1/)
  t.match(metrics, /queue_last_fetch_age_seconds/)
  const line = worker.lines.find(({ msg }) => msg === 'task completed')
  t.match(line, { taskId, requestId: /^request-/, service: 'provider-worker' })
})

t.test('a worker that is paused past its lease changes nothing when it wakes (T2)', async t => {
  const site = await createSite(t)
  const first = await site.startWorker(t)
  await site.providers.script({ provider: 'fal', mode: 'ok', latencyMs: 1_500 })
  const taskId = await submitTask(site)
  await isSubmitted(site, taskId)

  first.signal('SIGSTOP')
  await site.startWorker(t)
  await isCompleted(site, taskId)
  const before = await stateOf(site)
  first.signal('SIGCONT')
  await until(() => first.lines.some(({ msg }) => msg === 'claim is over, work discarded'))

  t.strictSame(await stateOf(site), before)
  t.equal(await submitsOf(site, 'fal'), 1)
  await assertBooks(t, site, 1)
})

/** All that a late worker could have spoilt. */
async function stateOf(site: Site) {
  const assets = sql`SELECT id, storage_key, sha256, version FROM assets ORDER BY id`
  const objects = await rowsOf(site, assets)
  const keys = objects.map(({ storage_key: key }) => String(key))
  return {
    tasks: await rowsOf(site, sql`SELECT * FROM tasks ORDER BY id`),
    entries: await rowsOf(site, sql`SELECT * FROM credit_transactions ORDER BY user_id, seq`),
    calls: await rowsOf(site, sql`SELECT * FROM provider_calls ORDER BY id`),
    objects,
    sizes: await Promise.all(
      keys.map(async key => (await site.store.find({ bucket: 'private', key }))?.sizeBytes),
    ),
  }
}

t.test('the same wake-up many times makes one run (T10)', async t => {
  const site = await createSite(t)
  await site.startWorker(t)
  const taskId = await submitTask(site)
  const wakeUps = Array.from({ length: 20 }, () => {
    const job = { taskId, requestId: 'again' }
    return { id: `again-${newId()}`, job, priority: 1, isRepeat: false }
  })

  await site.queue.enqueue(wakeUps)
  await isCompleted(site, taskId)
  await site.queue.enqueue(wakeUps)
  await until(async () => {
    const { waiting, active } = await site.queue.counts()
    return waiting + active === 0
  })

  t.match(await readTask(site, taskId), { attempt: 1 })
  t.equal(await submitsOf(site, 'fal'), 1)
  await assertBooks(t, site, 1)
})

t.test('what is no task job is put aside, and the worker goes on', async t => {
  const site = await createSite(t)
  const worker = await site.startWorker(t)

  const job = { taskId: "'; DROP", requestId: 'x' }
  await site.queue.enqueue([{ id: 'nonsense', job, priority: 1, isRepeat: false }])
  const taskId = await submitTask(site)
  await isCompleted(site, taskId)

  t.ok(worker.lines.some(({ msg }) => msg === 'job is not of the form of a task job'))
})
