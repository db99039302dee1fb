import { makeFragile } from '@funmagic/asset/testing'
import { sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import { release } from '@funmagic/ledger/reservations'
import { recordSubmitted, recordSubmitting } from '@funmagic/task/calls'
import { cancelTask, claimTask, handBack } from '@funmagic/task/lifecycle'
import { rescueExpired } from '@funmagic/task/sweeps'
import t from 'tap'
import { runTask } from '../src/run-task.ts'
import {
  assertBooks,
  callsOf,
  createRunner,
  eventsOf,
  planShutdown,
  readTask,
  rowsOf,
  type Runner,
} from './runner.ts'
import { until } from './until.ts'
import { submitTask } from './worker-world.ts'

/** Resolves when the provider has the task's call and this side knows its id. */
async function isSubmitted(runner: Runner, taskId: string): Promise<void> {
  await until(async () => (await callsOf(runner, taskId))[0]?.['state'] === 'submitted')
}

t.test('a worker that stops hands back what waits, and the next pays nothing again', async t => {
  const runner = await createRunner(t)
  await runner.providers.script({ provider: 'fal', mode: 'ok', latencyMs: 1_500 })
  const taskId = await submitTask(runner)
  const { shutdown, start } = planShutdown()

  const work = runner.run(taskId, shutdown)
  await isSubmitted(runner, taskId)
  const stoppedAtMs = performance.now()
  start()
  await work

  t.ok(performance.now() - stoppedAtMs < 1_000)
  t.match(await readTask(runner, taskId), { status: 'pending', retries: 0, attempt: 1 })
  const due = sql`SELECT available_at <= now() AS due FROM outbox ORDER BY id DESC LIMIT 1`
  t.strictSame(await rowsOf(runner, due), [{ due: true }])

  await runner.run(taskId)

  t.match(await readTask(runner, taskId), { status: 'completed', retries: 0, attempt: 2 })
  t.match((await runner.providers.calls()).providers.fal, { submits: 1, attempts: 1 })
  t.match(await callsOf(runner, taskId), [{ state: 'succeeded', attempt: 1 }])
  await assertBooks(t, runner, 1)
})

t.test('a stopping worker lets an answer come that nobody could fetch again', async t => {
  const runner = await createRunner(t)
  await runner.providers.script({ provider: 'openai', mode: 'ok', latencyMs: 500 })
  const taskId = await submitTask(runner, { tool: 'openai' })
  const { shutdown, start } = planShutdown()

  const work = runner.run(taskId, shutdown)
  await until(async () => (await runner.providers.calls()).providers.openai.submits === 1)
  start()
  await work

  t.match(await readTask(runner, taskId), { status: 'completed', attempt: 1 })
  t.equal((await runner.providers.calls()).providers.openai.submits, 1)
  await assertBooks(t, runner, 1)
})

t.test('after the grace the answer is given up, and the task handed back uncounted', async t => {
  const runner = await createRunner(t)
  await runner.providers.script({ provider: 'openai', mode: 'stuck' })
  const taskId = await submitTask(runner, { tool: 'openai' })
  const { shutdown, start, expire } = planShutdown()

  const work = runner.run(taskId, shutdown)
  await until(async () => (await runner.providers.calls()).providers.openai.submits === 1)
  start()
  expire()
  await work
  t.match(await readTask(runner, taskId), { status: 'pending', retries: 0 })
  await runner.run(taskId)

  t.match(await readTask(runner, taskId), { status: 'completed' })
  t.equal((await runner.providers.calls()).providers.openai.submits, 2)
  t.match(await callsOf(runner, taskId), [
    { state: 'failed', errorKind: 'unknown' },
    { state: 'succeeded' },
  ])
  await assertBooks(t, runner, 1)
})

t.test('a call whose fate is unknown is made again, once (W4)', async t => {
  const runner = await createRunner(t)
  const taskId = await submitTask(runner)
  const lost = await claimTask(runner.database, { taskId, leaseMs: 30_000 })
  const claim = { taskId, attempt: lost?.attempt ?? 0 }
  const providerId = runner.tools.fal.config.steps[0]?.providerId ?? ''
  const model = 'fal-ai/bria/background/remove'
  const call = { stepId: 'only', provider: 'fal', providerId, model } as const
  await recordSubmitting(runner.database, { ...claim, ...call })
  await handBack(runner.database, { ...claim, delayMs: 0, counts: 'nothing' })

  await runner.run(taskId)

  t.match(await readTask(runner, taskId), { status: 'completed' })
  t.equal((await runner.providers.calls()).providers.fal.submits, 1)
  t.match(await callsOf(runner, taskId), [
    { state: 'failed', errorKind: 'unknown', attempt: 1 },
    { state: 'succeeded', attempt: 2 },
  ])
  await assertBooks(t, runner, 1)
})

t.test('a claim that is over writes nothing any more and disturbs nobody (T2)', async t => {
  const runner = await createRunner(t, { limits: { leaseMs: 600 } })
  await runner.providers.script({ provider: 'fal', mode: 'ok', latencyMs: 1_500 })
  const taskId = await submitTask(runner)

  const first = runner.run(taskId)
  await isSubmitted(runner, taskId)
  await runner.database.query(sql`UPDATE tasks SET lease_until = now() - interval '1 second'`)
  await rescueExpired(runner.database, { limit: 10, rescuesMax: 5 })
  const second = runner.run(taskId)
  await first
  t.match(await readTask(runner, taskId), { status: 'processing', attempt: 2 })
  await second

  t.match(await readTask(runner, taskId), { status: 'completed', attempt: 2 })
  const { providers, calls } = await runner.providers.calls()
  t.equal(providers.fal.submits, 1)
  t.notOk(calls.some(({ operation }) => operation === 'cancel'))
  t.equal((await eventsOf(runner, taskId)).filter(({ type }) => type === 'completed').length, 1)
  await assertBooks(t, runner, 1)
})

t.test('a task that its owner cancels is stopped at the provider, for nothing', async t => {
  const runner = await createRunner(t, { limits: { leaseMs: 600 } })
  await runner.providers.script({ provider: 'fal', mode: 'stuck' })
  const taskId = await submitTask(runner)

  const work = runner.run(taskId)
  await isSubmitted(runner, taskId)
  const { userId } = runner
  await inTransaction(runner.database, async tx => {
    const task = await cancelTask(tx, { taskId, userId, whileProcessing: true })
    if (task !== undefined) await release(tx, task.reservationId)
  })
  await work

  t.match(await readTask(runner, taskId), { status: 'canceled' })
  t.match((await runner.providers.calls()).providers.fal, { submits: 1, open: 0 })
  await assertBooks(t, runner, 0)
})

for (const moment of ['before', 'after'] as const) {
  t.test(`a store that fails ${moment} it keeps the bytes costs no second call`, async t => {
    const runner = await createRunner(t)
    const store = makeFragile(runner.store)
    store.failNext('create', moment)
    const taskId = await submitTask(runner)

    await runTask({ ...runner.deps, store }, taskId, planShutdown().shutdown)
    t.match(await readTask(runner, taskId), { status: 'pending', retries: 0 })
    await runner.run(taskId)

    t.match(await readTask(runner, taskId), { status: 'completed' })
    t.equal((await runner.providers.calls()).providers.fal.submits, 1)
    await assertBooks(t, runner, 1)
  })
}

t.test('while the provider works the lease is renewed', async t => {
  const runner = await createRunner(t, { limits: { leaseMs: 300 } })
  await runner.providers.script({ provider: 'fal', mode: 'ok', latencyMs: 1_200 })
  const taskId = await submitTask(runner)

  const work = runner.run(taskId)
  let rescued = 0
  while ((await readTask(runner, taskId)).status !== 'completed') {
    rescued += (await rescueExpired(runner.database, { limit: 10, rescuesMax: 5 })).length
  }
  await work

  t.equal(rescued, 0)
})

t.test('connections to Postgres that break in between cost the task nothing', async t => {
  const runner = await createRunner(t, { limits: { leaseMs: 600 } })
  await runner.providers.script({ provider: 'fal', mode: 'ok', latencyMs: 1_500 })
  const taskId = await submitTask(runner)

  const work = runner.run(taskId)
  await isSubmitted(runner, taskId)
  await runner.database.query(sql`
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
  `)
  await work

  t.match(await readTask(runner, taskId), { status: 'completed', attempt: 1 })
  await assertBooks(t, runner, 1)
})

t.test('a call that a webhook gave its id while the answer was lost stays open', async t => {
  const runner = await createRunner(t)
  await runner.providers.script({ provider: 'fal', operation: 'submit', mode: 'hang' })
  const taskId = await submitTask(runner)

  const work = runner.run(taskId)
  await until(async () => (await callsOf(runner, taskId)).length === 1)
  const [call] = await rowsOf(runner, sql`SELECT id FROM provider_calls WHERE task_id = ${taskId}`)
  const adopted = { callId: String(call?.['id']), providerRequestId: 'told-by-webhook' }
  await recordSubmitted(runner.database, adopted)
  await work

  t.match(await readTask(runner, taskId), { status: 'pending', retries: 1 })
  t.match(await callsOf(runner, taskId), [{ state: 'submitted', requestId: 'told-by-webhook' }])
})
