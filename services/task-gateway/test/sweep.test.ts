import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import { balanceOf } from '@funmagic/ledger/accounts'
import { findViolations } from '@funmagic/ledger/proof'
import { reserve } from '@funmagic/ledger/reservations'
import { claimTask } from '@funmagic/task/lifecycle'
import { readBacklog, relayOutbox } from '@funmagic/task/outbox'
import { readEvents } from '@funmagic/task/progress-channel'
import { TaskConsumer, TaskQueue } from '@funmagic/task/queue'
import { findTask } from '@funmagic/task/tasks'
import t from 'tap'
import { Dispatcher } from '../src/dispatcher.ts'
import { Repeat } from '@funmagic/runtime/repeat'
import { taskSettlements } from '@funmagic/task/settlement'
import { sweep, type SweepLimits } from '../src/jobs/sweep.ts'
import { addUser, openGateway, submitted, until } from './gateway-app.ts'
import { startRedis } from './redis-server.ts'
import { complete, countRows, expireLease, findUnsettled, passDeadline } from './rows.ts'

const gateway = await openGateway(t)
const { database, redis, nudges, metrics } = gateway
const limitsDefault = { rescuesMax: 2, redispatchAfterMs: 60_000, keepSentMs: 3_600_000 }

function sweepOnce(limits: Partial<SweepLimits> = {}): Promise<void> {
  const dispatcher = { nudge: () => void (nudges.count += 1) }
  return sweep({ ...gateway, dispatcher, limits: { ...limitsDefault, ...limits } })
}

/** What a worker does that dies right after. */
async function claimAndVanish(taskId: string): Promise<void> {
  t.ok(await claimTask(database, { taskId, leaseMs: 30_000 }))
  await expireLease(database, taskId)
}

t.test('a task past its deadline fails, its credits return, and its owner is told', async t => {
  const { user, cookie } = await addUser(gateway)
  const pending = await submitted(gateway, { user, cookie, token: '' })
  const processing = await submitted(gateway, { user, cookie, token: '' })
  await claimTask(database, { taskId: processing, leaseMs: 30_000 })
  await passDeadline(database, pending)
  await passDeadline(database, processing)

  await sweepOnce()

  for (const taskId of [pending, processing]) {
    const task = await findTask(database, { userId: user.id, taskId })
    t.match(task, { status: 'failed', error: { code: 'DEADLINE_EXCEEDED' } })
    await until(async () => (await readEvents(redis, taskId)).events.length > 0)
    const { events } = await readEvents(redis, taskId)
    t.match(events, [{ event: { type: 'failed', error: { code: 'DEADLINE_EXCEEDED' } } }])
  }
  t.match(await balanceOf(database, user.id), { balance: 100, reservedBalance: 0 })
  t.match(await metrics.registry.metrics(), /sweep_actions_total\{step="deadline".*\} 2/)
})

t.test('a worker that comes back after the deadline changes nothing', async t => {
  const owner = await addUser(gateway)
  const taskId = await submitted(gateway, owner)
  await passDeadline(database, taskId)
  await sweepOnce()

  await t.rejects(complete(database, taskId), /cannot be claimed/)

  t.match(await balanceOf(database, owner.user.id), { balance: 100, reservedBalance: 0 })
})

t.test('a task that lost its worker goes back into the queue, and not for ever', async t => {
  const owner = await addUser(gateway)
  const taskId = await submitted(gateway, owner)
  const statusOf = async () => (await findTask(database, { userId: owner.user.id, taskId }))?.status
  const nudgesBefore = nudges.count

  await claimAndVanish(taskId)
  await sweepOnce()
  t.equal(await statusOf(), 'pending')
  t.equal(nudges.count, nudgesBefore + 1)
  await claimAndVanish(taskId)
  await sweepOnce()
  t.equal(await statusOf(), 'pending')
  await claimAndVanish(taskId)
  await sweepOnce()

  const task = await findTask(database, { userId: owner.user.id, taskId })
  t.match(task, { status: 'failed', error: { code: 'POISON' } })
  t.match(await balanceOf(database, owner.user.id), { balance: 100, reservedBalance: 0 })
})

t.test('a task with a live worker is left alone', async t => {
  const owner = await addUser(gateway)
  const taskId = await submitted(gateway, owner)
  await claimTask(database, { taskId, leaseMs: 30_000 })

  await sweepOnce({ rescuesMax: 0, redispatchAfterMs: 0 })

  const task = await findTask(database, { userId: owner.user.id, taskId })
  t.match(task, { status: 'processing', attempt: 1 })
})

t.test('five sweepers at once settle each task once', async t => {
  const owner = await addUser(gateway, 200)
  for (let n = 0; n < 10; n++) await passDeadline(database, await submitted(gateway, owner))

  await Promise.all([sweepOnce(), sweepOnce(), sweepOnce(), sweepOnce(), sweepOnce()])

  t.match(await balanceOf(database, owner.user.id), { balance: 200, reservedBalance: 0 })
  const { rows } = await database.query<object>(sql`
    SELECT type, count(*) AS n FROM credit_transactions
    WHERE user_id = ${owner.user.id} AND type IN ('release', 'spend') GROUP BY type
  `)
  t.same(rows, [{ type: 'release', n: 10 }])
})

t.test('after FLUSHALL every task still ends', async t => {
  const server = await startRedis(t)
  const options = { url: server.url, connectionName: 'test', onError: () => undefined }
  const queue = new TaskQueue(options)
  t.teardown(() => queue[Symbol.asyncDispose]())
  const dispatcher = new Dispatcher({ ...gateway, queue, intervalMs: 50, batchSize: 100 })
  t.teardown(() => dispatcher[Symbol.asyncDispose]())
  const owner = await addUser(gateway, 200)
  const taskIds: string[] = []
  for (let n = 0; n < 5; n++) taskIds.push(await submitted(gateway, owner))
  await until(async () => (await queue.counts()).waiting >= 5)
  await server.flush()
  t.equal((await queue.counts()).waiting, 0, 'the queue knows of no task')

  const limits = { ...limitsDefault, redispatchAfterMs: 200 }
  const sweeper = new Repeat(50, () => sweep({ ...gateway, dispatcher, limits }))
  t.teardown(() => sweeper[Symbol.asyncDispose]())
  const worker = new TaskConsumer({
    ...options,
    concurrency: 2,
    onJob: async ({ taskId }) => {
      if (taskIds.includes(taskId)) await complete(database, taskId)
    },
  })
  t.teardown(() => worker.close(5_000))

  await until(async () => (await balanceOf(database, owner.user.id)).reservedBalance === 0)
  t.match(await balanceOf(database, owner.user.id), { balance: 100, lifetimeSpent: 100 })
})

t.test('a reservation whose task is not there is returned and counted as a fault', async t => {
  const { user } = await addUser(gateway)
  const deadlineAt = new Date(Date.now() - 1_000)
  const orphan = { userId: user.id, referenceId: newId(), amount: 30, deadlineAt }
  await inTransaction(database, tx => reserve(tx, orphan))

  await sweepOnce()

  t.match(await balanceOf(database, user.id), { balance: 100, reservedBalance: 0 })
  t.match(await metrics.registry.metrics(), /orphan_reservations_released_total\S* 1/)
})

t.test('wake-ups that were sent are cleared away after a while, others never', async t => {
  await relayOutbox(database, async () => undefined, { batchSize: 500 })
  await submitted(gateway, await addUser(gateway))

  await sweepOnce({ keepSentMs: 0 })

  t.equal(await countRows(database, 'outbox'), 1)
  t.match(await readBacklog(database), { unsent: 1 })
})

t.test('a step that fails is counted, and the others go on', async t => {
  const owner = await addUser(gateway)
  const taskId = await submitted(gateway, owner)
  await passDeadline(database, taskId)
  const rescuesMax = Number.NaN

  await sweepOnce({ rescuesMax })

  t.match(await metrics.registry.metrics(), /sweep_failures_total\{step="rescue".*\} 1/)
  const task = await findTask(database, { userId: owner.user.id, taskId })
  t.match(task, { status: 'failed', error: { code: 'DEADLINE_EXCEEDED' } })
})

t.test('after all this the books are right, and tasks and credits agree', async t => {
  t.same(await findViolations(database, taskSettlements), [])
  t.same(await findUnsettled(database), [])
})
