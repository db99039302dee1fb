import { findAsset } from '@funmagic/asset/catalog'
import { sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import { balanceOf } from '@funmagic/ledger/accounts'
import { release } from '@funmagic/ledger/reservations'
import { cancelTask } from '@funmagic/task/lifecycle'
import t from 'tap'
import { forwardCancels } from '../src/forward-cancels.ts'
import {
  assertBooks,
  callsOf,
  createRunner,
  eventsOf,
  readTask,
  rowsOf,
  type Runner,
} from './runner.ts'
import { until } from './until.ts'
import { bonusCredits, cost, submitTask } from './worker-world.ts'

/** The calls of the provider that were to stop work there. */
async function cancelsOf({ providers }: Runner) {
  return (await providers.calls()).calls.filter(({ operation }) => operation === 'cancel').length
}

t.test('a picture is painted and cut out in one go, each step paid for once', async t => {
  const runner = await createRunner(t)
  const painting = await submitTask(runner, { tool: 'openai' })
  const cutting = await submitTask(runner, { parentTaskId: painting })
  await runner.run(cutting)
  t.match(await readTask(runner, cutting), { status: 'pending', attempt: 0 })

  await runner.run(painting)
  await runner.run(cutting)

  const [made, cut] = [await readTask(runner, painting), await readTask(runner, cutting)]
  t.match([made, cut], [{ status: 'completed' }, { status: 'completed', waitsForParent: false }])
  const assetId = made.output?.assetIds[0] ?? ''
  t.ok(await findAsset(runner.database, { userId: runner.userId, assetId }))
  const parents = sql`SELECT a.parent_asset_id AS id FROM assets a JOIN tasks t ON t.id = a.task_id
    WHERE t.id = ${cutting}`
  t.strictSame(await rowsOf(runner, parents), [{ id: assetId }], 'and it is known what of')
  const wakeUps = sql`SELECT count(*) AS n FROM outbox WHERE key = ${cutting}`
  t.match(await rowsOf(runner, wakeUps), [{ n: 1 }])
  const { openai, fal } = (await runner.providers.calls()).providers
  t.match([openai, fal], [{ submits: 1 }, { submits: 1 }])
  await assertBooks(t, runner, 2)
})

t.test('a step that fails takes the ones behind it with it, for nothing', async t => {
  const runner = await createRunner(t)
  await runner.providers.script({ provider: 'openai', mode: '401' })
  const painting = await submitTask(runner, { tool: 'openai' })
  const cutting = await submitTask(runner, { parentTaskId: painting })

  await runner.run(painting)

  t.match(await readTask(runner, painting), { status: 'failed' })
  t.match(await readTask(runner, cutting), { status: 'canceled' })
  t.match(await eventsOf(runner, cutting), [{ type: 'canceled' }])
  await assertBooks(t, runner, 0)
})

t.test('a chain goes on from the step that failed, and nothing is paid for again', async t => {
  const runner = await createRunner(t)
  await runner.providers.script({ provider: 'fal', mode: '401' })
  const painting = await submitTask(runner, { tool: 'openai' })
  const cutting = await submitTask(runner, { parentTaskId: painting })
  await runner.run(painting)
  await runner.run(cutting)
  t.match(await readTask(runner, cutting), { status: 'failed' })
  t.match(await balanceOf(runner.database, runner.userId), { balance: bonusCredits - cost })

  const again = await submitTask(runner, { parentTaskId: painting })
  await runner.run(again)

  t.match(await readTask(runner, again), { status: 'completed' })
  t.equal((await runner.providers.calls()).providers.openai.submits, 1)
  await assertBooks(t, runner, 2)
})

t.test('a step whose parent left no picture fails, for nothing', async t => {
  const runner = await createRunner(t)
  const painting = await submitTask(runner, { tool: 'openai' })
  const cutting = await submitTask(runner, { parentTaskId: painting })
  await runner.run(painting)
  await runner.database.query(sql`UPDATE assets SET deleted_at = now() WHERE task_id = ${painting}`)

  await runner.run(cutting)

  t.match(await readTask(runner, cutting), { error: { code: 'INPUT_UNAVAILABLE' } })
  await assertBooks(t, runner, 1)
})

/** A task whose call is under way at fal while its worker is gone and its owner cancels it. */
async function cancelAbandoned(runner: Runner): Promise<string> {
  await runner.providers.script({ provider: 'fal', mode: 'stuck' })
  const taskId = await submitTask(runner)
  const stop = new AbortController()
  const shutdown = { started: stop.signal, expired: stop.signal }
  const work = runner.run(taskId, shutdown)
  await until(async () => (await callsOf(runner, taskId))[0]?.['state'] === 'submitted')
  stop.abort(new Error('the worker vanishes'))
  await work
  await inTransaction(runner.database, async tx => {
    const cancellation = { taskId, userId: runner.userId, whileProcessing: true }
    const task = await cancelTask(tx, cancellation)
    if (task !== undefined) await release(tx, task.reservationId)
  })
  return taskId
}

t.test('any worker tells the provider to stop what nobody wants any more (T9)', async t => {
  const runner = await createRunner(t)
  const taskId = await cancelAbandoned(runner)

  await Promise.all([forwardCancels(runner.deps), forwardCancels(runner.deps)])
  await forwardCancels(runner.deps)

  t.equal(await cancelsOf(runner), 1)
  t.equal((await runner.providers.calls()).providers.fal.open, 0)
  t.match(await callsOf(runner, taskId), [{ state: 'failed', errorKind: 'canceled' }])
  await assertBooks(t, runner, 0)
})

t.test('a provider that cannot be told is told again later, and not for ever', async t => {
  const runner = await createRunner(t)
  const taskId = await cancelAbandoned(runner)
  const deps = { ...runner.deps, openAccount: () => Promise.reject(new Error('no network')) }
  const hurry = () =>
    runner.database.query(sql`UPDATE provider_calls SET cancel_due_at = now() - interval '1 s'`)

  await forwardCancels(deps)
  t.match(await callsOf(runner, taskId), [{ state: 'submitted' }])
  await forwardCancels(runner.deps)
  t.equal(await cancelsOf(runner), 0)
  for (let tries = 0; tries < 11; tries++) {
    await hurry()
    await forwardCancels(deps)
  }

  t.match(await callsOf(runner, taskId), [{ state: 'failed', errorKind: 'not_canceled' }])
})
