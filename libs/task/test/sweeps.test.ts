import t, { type Test } from 'tap'
import type { TaskId } from '@funmagic/contract/ids'
import type { Queryable } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { createTestDatabase } from '@funmagic/database/testing'
import { cancelTask, failTask, handBack } from '../src/lifecycle.ts'
import { inTransaction } from '@funmagic/database/transaction'
import { relayOutbox } from '../src/outbox.ts'
import { findOverdue, findPoisoned, redispatchLost, rescueExpired } from '../src/sweeps.ts'
import { findTask } from '../src/tasks.ts'
import {
  claim,
  claimed,
  createTaskWorld,
  expireLease,
  passDeadline,
  rowsOf,
  submitted,
} from './task-fixture.ts'

/** A database of its own: a sweep sees every task there is. */
async function setup(t: Test) {
  const { database } = await createTestDatabase(t)
  const world = await createTaskWorld(database)
  const relay = () => relayOutbox(database, async () => undefined, { batchSize: 100 })
  const dispatchedLongAgo = (taskId: string) =>
    database.query(
      sql`UPDATE tasks SET dispatched_at = now() - interval '1 hour' WHERE id = ${taskId}`,
    )
  return { database, world, relay, dispatchedLongAgo }
}

const limit = 100

t.test('a task whose lease has run out is rescued and woken, others are not', async t => {
  const { database, world, relay } = await setup(t)
  const vanished = await claimed(world)
  const alive = await claimed(world)
  await relay()
  await expireLease(database, vanished.id)

  const rescued = await rescueExpired(database, { limit, rescuesMax: 2 })

  t.match(rescued, [{ taskId: vanished.id, status: 'pending', attempt: 1 }])
  t.equal(rescued.length, 1)
  t.equal(await relay(), 1)
  const { userId } = world
  t.match(await findTask(database, { userId, taskId: alive.id }), { status: 'processing' })
  t.match(await claim(database, vanished.id), { attempt: 2, rescues: 1 })
})

t.test('two sweepers at once rescue each task once, and neither waits', async t => {
  const { database, world } = await setup(t)
  for (let i = 0; i < 3; i++) await expireLease(database, (await claimed(world)).id)
  const rescue = (runner: Queryable, limit: number) =>
    rescueExpired(runner, { limit, rescuesMax: 2 })

  const [first, second] = await inTransaction(database, async tx => [
    await rescue(tx, 2),
    await rescue(database, 3),
  ])

  t.equal(first.length, 2)
  t.equal(second.length, 1)
  t.equal(new Set([...first, ...second].map(({ taskId }) => taskId)).size, 3)
})

t.test('a task that loses every worker is not rescued again but found (T11)', async t => {
  const { database, world } = await setup(t)
  const { id } = await submitted(world)
  for (let rescues = 0; rescues < 2; rescues++) {
    await claim(database, id)
    await expireLease(database, id)
    await rescueExpired(database, { limit, rescuesMax: 2 })
  }
  await claim(database, id)
  t.strictSame(await findPoisoned(database, { limit, rescuesMax: 2 }), [])
  await expireLease(database, id)

  t.strictSame(await rescueExpired(database, { limit, rescuesMax: 2 }), [])
  t.match(await findPoisoned(database, { limit, rescuesMax: 2 }), [{ taskId: id, attempt: 3 }])
})

t.test('tasks with their last rescue run one after the other (T11)', async t => {
  const { database, world } = await setup(t)
  const rescuesMax = 2
  const ids: TaskId[] = []
  for (let count = 0; count < 3; count++) ids.push((await submitted(world)).id)
  const loseWorker = async (taskId: TaskId) => {
    await claim(database, taskId)
    await expireLease(database, taskId)
  }
  const rescue = async () => {
    const rescued = await rescueExpired(database, { limit, rescuesMax })
    return rescued.map(({ taskId }) => taskId)
  }
  for (const id of ids) await loseWorker(id)
  t.same((await rescue()).toSorted(), ids.toSorted(), 'the first time all of them at once')
  for (const id of ids) await loseWorker(id)

  const [poison, ...others] = await rescue()
  t.same(others, [])
  if (poison === undefined) throw new Error('none was rescued')
  t.same(await rescue(), [], 'while it waits')
  await claim(database, poison)
  t.same(await rescue(), [], 'and while it runs')
  await expireLease(database, poison)
  t.same(await rescue(), [], 'and until it is given up')
  t.match(await findPoisoned(database, { limit, rescuesMax }), [{ taskId: poison }])
  await inTransaction(database, tx => failTask(tx, { taskId: poison, code: 'POISON' }))

  const [next, ...rest] = await rescue()
  t.ok(next !== undefined && next !== poison && ids.includes(next), 'then the next')
  t.same(rest, [])
})

t.test('handing back is not a rescue', async t => {
  const { database, world } = await setup(t)
  const { id } = await submitted(world)
  for (let attempt = 1; attempt <= 5; attempt++) {
    await claim(database, id)
    await handBack(database, { taskId: id, attempt, delayMs: 0, counts: 'retry' })
  }

  t.match(await claim(database, id), { attempt: 6, retries: 5, rescues: 0 })
})

t.test('open tasks past their deadline are found, whatever they are doing', async t => {
  const { database, world } = await setup(t)
  const pending = await submitted(world)
  const running = await claimed(world)
  const canceled = await submitted(world)
  await submitted(world)
  for (const { id } of [pending, running, canceled]) await passDeadline(database, id)
  const cancellation = { taskId: canceled.id, userId: world.userId, whileProcessing: false }
  await inTransaction(database, tx => cancelTask(tx, cancellation))

  const overdue = await findOverdue(database, { limit })

  t.strictSame(
    new Map(overdue.map(({ taskId, status }) => [taskId, status])),
    new Map([
      [pending.id, 'pending'],
      [running.id, 'processing'],
    ]),
  )
})

t.test('an overdue task is not rescued: it is about to be failed', async t => {
  const { database, world } = await setup(t)
  const { id } = await claimed(world)
  await passDeadline(database, id)
  await expireLease(database, id)

  t.strictSame(await rescueExpired(database, { limit, rescuesMax: 2 }), [])
})

t.test('a wake-up that left long ago without effect is sent again, once', async t => {
  const { database, world, relay, dispatchedLongAgo } = await setup(t)
  const lost = await submitted(world)
  const fresh = await submitted(world)
  await relay()
  await dispatchedLongAgo(lost.id)
  const sweep = (runner: Queryable) => redispatchLost(runner, { limit, olderThanMs: 60_000 })

  const [first, second] = await inTransaction(database, async tx => [
    await sweep(tx),
    await sweep(database),
  ])
  const third = await sweep(database)

  t.match(first, [{ taskId: lost.id }])
  t.strictSame([second, third], [[], []])
  t.equal(await relay(), 1)
  const rows = await rowsOf(database, sql`SELECT count(*) FROM outbox WHERE key = ${fresh.id}`)
  t.match(rows, [{ count: 1 }])
})

t.test('a task that waits for its delay is not sent again before', async t => {
  const { database, world, relay, dispatchedLongAgo } = await setup(t)
  const { id } = await submitted(world)
  await relay()
  await claim(database, id)
  await handBack(database, { taskId: id, attempt: 1, delayMs: 600_000, counts: 'retry' })
  await dispatchedLongAgo(id)

  t.strictSame(await redispatchLost(database, { limit, olderThanMs: 60_000 }), [])
})

t.test('a sweep takes no more than its limit', async t => {
  const { database, world } = await setup(t)
  for (let i = 0; i < 3; i++) await passDeadline(database, (await submitted(world)).id)

  t.equal((await findOverdue(database, { limit: 2 })).length, 2)
})
