import t from 'tap'
import { createGatedRunner } from './gate-fixture.ts'
import { assertBooks, eventsOf, planShutdown, readTask } from './runner.ts'
import { until } from './until.ts'
import { submitTask } from './worker-world.ts'

const fresh = { attempt: 1, isResumed: false } as const

t.test('without a free slot a task waits, uncounted, and its owner is told why (V-1)', async t => {
  const limits = { maxConcurrency: 1 }
  const at = await createGatedRunner(t, limits)
  const other = { providerId: at.providerId, holder: 'other', ...fresh }
  await at.limiter.tryAcquire({ ...other, limits })
  const taskId = await submitTask(at)

  await at.run(taskId)
  t.match(await readTask(at, taskId), { status: 'pending', attempt: 1, retries: 0 })
  t.match((await eventsOf(at, taskId)).at(-1), {
    type: 'progress',
    message: 'queued: provider busy',
  })
  t.equal((await at.providers.calls()).providers.fal.attempts, 0)

  await at.limiter.release(other, { isSuccess: true })
  at.clock.nowMs += 10_000
  await at.run(taskId)
  t.match(await readTask(at, taskId), { status: 'completed' })
  t.equal(await at.slots(), 0)
  await assertBooks(t, at, 1)
})

for (const mode of ['fail', '500', '401', 'garbage'] as const) {
  t.test(`a call that ends with ${mode} leaves no slot behind (T13)`, async t => {
    const at = await createGatedRunner(t, { maxConcurrency: 1 })
    await at.providers.script({ provider: 'fal', mode })
    const taskId = await submitTask(at)

    await at.run(taskId)

    t.equal((await at.providers.calls()).providers.fal.attempts, 1)
    t.equal(await at.slots(), 0)
  })
}

t.test('a call that goes on at the provider keeps its slot for whoever takes it up', async t => {
  const limits = { maxConcurrency: 1 }
  const at = await createGatedRunner(t, limits)
  await at.providers.script({ provider: 'fal', mode: 'ok', latencyMs: 2_000 })
  const taskId = await submitTask(at)
  const plan = planShutdown()
  const running = at.run(taskId, plan.shutdown)
  await until(async () => (await at.providers.calls()).providers.fal.submits === 1)
  plan.start()
  await running

  t.match(await readTask(at, taskId), { status: 'pending' })
  const stranger = { providerId: at.providerId, holder: 'stranger', ...fresh, limits }
  t.match(await at.limiter.tryAcquire(stranger), { kind: 'denied' })

  await at.run(taskId)
  t.match(await readTask(at, taskId), { status: 'completed' })
  t.equal((await at.providers.calls()).providers.fal.submits, 1)
  t.equal(await at.slots(), 0)
})

t.test('a slot that was kept is freed when the task is given up', async t => {
  const at = await createGatedRunner(t, { maxConcurrency: 1 })
  await at.providers.script({ provider: 'fal', mode: '500', operation: 'status', times: 1_000 })
  const taskId = await submitTask(at)

  for (let tries = 0; tries < 4; tries++) await at.run(taskId)

  t.match(await readTask(at, taskId), { status: 'failed', retries: 3 })
  t.equal(await at.slots(), 0)
})

t.test('after a 429 no worker asks again until the provider wants it (V7)', async t => {
  const at = await createGatedRunner(t, {})
  await at.providers.script({ provider: 'fal', mode: '429', retryAfterSeconds: 30 })
  const tasks = [await submitTask(at), await submitTask(at)]

  for (const taskId of tasks) await at.run(taskId)
  t.equal((await at.providers.calls()).providers.fal.attempts, 1)

  at.clock.nowMs += 45_000
  for (const taskId of tasks) await at.run(taskId)
  for (const taskId of tasks)
    t.match(await readTask(at, taskId), { status: 'completed', retries: 0 })
})

t.test(
  'in a total outage the provider is hardly asked more often than before (V-3, L13)',
  async t => {
    const at = await createGatedRunner(t, {})
    await at.providers.script({ provider: 'fal', mode: '503', times: 10_000 })
    const tasks: Awaited<ReturnType<typeof submitTask>>[] = []

    for (let round = 0; round < 15; round++) {
      for (let more = 0; more < 4; more++) tasks.push(await submitTask(at))
      for (const taskId of tasks) await at.run(taskId)
      at.clock.nowMs += 20_000
    }

    const { attempts } = (await at.providers.calls()).providers.fal
    t.ok(attempts <= 1.1 * tasks.length, `${attempts} calls for ${tasks.length} tasks`)
    const last = tasks.at(-1)
    if (last === undefined) throw new Error('no task')
    const messages = (await eventsOf(at, last)).map(event =>
      'message' in event ? event.message : '',
    )
    t.ok(messages.includes('queued: provider unavailable'))
  },
)

t.test('when the provider is back, a probe finds out and all tasks complete', async t => {
  const at = await createGatedRunner(t, {})
  await at.providers.script({ provider: 'fal', mode: '503', times: 5 })
  const tasks = await Promise.all(Array.from({ length: 8 }, () => submitTask(at)))
  for (const taskId of tasks) await at.run(taskId)
  t.equal((await at.providers.calls()).providers.fal.attempts, 5)

  for (let round = 0; round < 6; round++) {
    at.clock.nowMs += 60_000
    for (const taskId of tasks) await at.run(taskId)
  }

  for (const taskId of tasks) t.match(await readTask(at, taskId), { status: 'completed' })
  await assertBooks(t, at, 8)
})

t.test('without Redis no call begins, and nothing is lost (R-1)', async t => {
  const at = await createGatedRunner(t, { maxConcurrency: 1 }, 'redis://127.0.0.1:1')
  const taskId = await submitTask(at)

  await at.run(taskId)

  t.match(await readTask(at, taskId), { status: 'pending', retries: 0, error: null })
  t.equal((await at.providers.calls()).providers.fal.attempts, 0)
})
