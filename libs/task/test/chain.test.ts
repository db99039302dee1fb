import t from 'tap'
import { newId, type TaskId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { createTestDatabase } from '@funmagic/database/testing'
import { inTransaction } from '@funmagic/database/transaction'
import { findStranded } from '../src/chain.ts'
import { cancelTask, claimTask, completeTask, failTask } from '../src/lifecycle.ts'
import { redispatchLost } from '../src/sweeps.ts'
import { findChildren, findTask } from '../src/tasks.ts'
import { claim, createTaskWorld, createUser, rowsOf, submit, submitted } from './task-fixture.ts'

const { database } = await createTestDatabase(t)
const world = await createTaskWorld(database)
const { userId } = world

const childOf = (parentTaskId: TaskId) => submitted(world, { parentTaskId })
const read = (taskId: TaskId) => findTask(database, { userId, taskId })
const wakeUpsOf = async (taskId: TaskId) =>
  (await rowsOf(database, sql`SELECT id FROM outbox WHERE key = ${taskId}`)).length

async function complete(taskId: TaskId) {
  const { attempt } = await claim(database, taskId)
  const completion = { taskId, attempt, output: { assetIds: [newId()] } }
  return inTransaction(database, tx => completeTask(tx, completion))
}

t.test('a child of an unfinished parent is pending and cannot be started (T8)', async t => {
  const parent = await submitted(world)

  const child = await childOf(parent.id)

  t.match(child, { status: 'pending', waitsForParent: true, parentTaskId: parent.id })
  t.equal(await wakeUpsOf(child.id), 0)
  t.equal(await claimTask(database, { taskId: child.id, leaseMs: 30_000 }), undefined)
  await database.query(sql`UPDATE tasks SET created_at = now() - interval '1 hour'`)
  const lost = await redispatchLost(database, { limit: 100, olderThanMs: 1_000 })
  t.notOk(lost.some(({ taskId }) => taskId === child.id))
})

t.test('a task of somebody else is no parent, whatever state it is in', async t => {
  const stranger = { ...world, userId: await createUser(database) }
  const [open, over] = [await submitted(stranger), await submitted(stranger)]
  await complete(over.id)

  for (const { id: parentTaskId } of [open, over]) {
    const wish = submit(world, { parentTaskId })
    await t.rejects(wish, { code: 'NOT_FOUND', details: { field: 'parentTaskId' } })
  }
})

t.test('no release of ours can start it: the database refuses (T8)', async t => {
  const child = await childOf((await submitted(world)).id)

  const start = sql`UPDATE tasks SET status = 'processing', lease_until = now()
    WHERE id = ${child.id}`

  await t.rejects(database.query(start), { code: '23514' })
})

t.test('its parent’s completion wakes it, once, in the same commit', async t => {
  const parent = await submitted(world)
  const child = await childOf(parent.id)

  await complete(parent.id)

  t.match(await read(child.id), { status: 'pending', waitsForParent: false })
  t.equal(await wakeUpsOf(child.id), 1)
  t.match(await claim(database, child.id), { attempt: 1 })
})

t.test('a completion that is rolled back wakes nobody', async t => {
  const parent = await submitted(world)
  const child = await childOf(parent.id)
  const { attempt } = await claim(database, parent.id)
  const work = inTransaction(database, async tx => {
    await completeTask(tx, { taskId: parent.id, attempt, output: { assetIds: [] } })
    throw new Error('the ledger refuses')
  })

  await t.rejects(work, /the ledger refuses/)

  t.match(await read(child.id), { waitsForParent: true })
  t.equal(await wakeUpsOf(child.id), 0)
})

t.test(
  'the time of a child counts from its release, and never goes beyond its first end',
  async t => {
    const parent = await submitted(world, { timeoutMs: 600_000 })
    const child = await submitted(world, { parentTaskId: parent.id, timeoutMs: 60_000 })
    t.equal(child.deadlineAt.getTime(), parent.deadlineAt.getTime() + 60_000)

    await complete(parent.id)

    const [row] = await rowsOf(
      database,
      sql`SELECT deadline_at BETWEEN now() + interval '50 s' AND now() + interval '60 s' AS fits
        FROM tasks WHERE id = ${child.id}`,
    )
    t.match(row, { fits: true })
  },
)

const ends = {
  failed: (taskId: TaskId) =>
    inTransaction(database, tx => failTask(tx, { taskId, code: 'DEADLINE_EXCEEDED' })),
  canceled: (taskId: TaskId) =>
    inTransaction(database, tx => cancelTask(tx, { taskId, userId, whileProcessing: true })),
}
for (const [status, end] of Object.entries(ends)) {
  t.test(
    `a parent that is ${status} takes all with it that waits for it, however deep`,
    async t => {
      const parent = await submitted(world)
      const [first, second] = [await childOf(parent.id), await childOf(parent.id)]
      const grandchild = await childOf(first.id)

      const ended = await end(parent.id)

      const dependents = [first, second, grandchild].map(task => task.reservationId)
      t.same(
        ended?.dependents.map(({ reservationId }) => reservationId).toSorted(),
        dependents.toSorted(),
      )
      for (const { id } of [first, second, grandchild]) {
        t.match(await read(id), { status: 'canceled', error: null })
        t.equal(await wakeUpsOf(id), 0)
      }
    },
  )
}

t.test('a child that runs already outlives nothing of its parent’s past', async t => {
  const parent = await submitted(world)
  await complete(parent.id)
  const child = await childOf(parent.id)

  t.equal(await end(parent.id), undefined)

  t.match(await read(child.id), { status: 'pending', waitsForParent: false })
  t.equal(await wakeUpsOf(child.id), 1)
})

function end(taskId: TaskId) {
  return ends.failed(taskId)
}

t.test('nobody can follow a parent that has failed, or somebody else’s', async t => {
  const [failed, own] = [await submitted(world), await submitted(world)]
  await end(failed.id)
  const stranger = await createUser(database)

  await t.rejects(submit(world, { parentTaskId: failed.id }), { code: 'STEP_ORDER' })
  await t.rejects(submit(world, { parentTaskId: own.id, userId: stranger }), { code: 'NOT_FOUND' })
  await t.rejects(submit(world, { parentTaskId: newId() }), { code: 'NOT_FOUND' })
})

t.test('of a submission and the end of its parent at once, no child is left waiting', async t => {
  for (let round = 0; round < 30; round++) {
    const parent = await submitted(world)
    const middle = await childOf(parent.id)
    const finishing = round % 2 === 0 ? complete(parent.id) : end(parent.id)

    const [child] = await Promise.allSettled([childOf(middle.id), finishing])

    t.same(await findStranded(database, { limit: 10 }), [], `round ${round}`)
    if (child.status === 'fulfilled') {
      const { status } = (await read(child.value.id)) ?? {}
      t.equal(status, round % 2 === 0 ? 'pending' : 'canceled')
    }
  }
})

t.test('a parent shows its children, the newest twenty of them', async t => {
  const parent = await submitted(world)
  const ids: TaskId[] = []
  for (let i = 0; i < 22; i++) ids.push((await childOf(parent.id)).id)

  const children = await findChildren(database, { userId, taskIds: [parent.id] })
  const seenByStranger = await findChildren(database, { userId: newId(), taskIds: [parent.id] })

  t.same(
    children.get(parent.id)?.map(({ id }) => id),
    ids.slice(2),
  )
  t.equal(seenByStranger.size, 0)
})
