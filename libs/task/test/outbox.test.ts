import t, { type Test } from 'tap'
import { sql } from '@funmagic/database/sql'
import { createTestDatabase } from '@funmagic/database/testing'
import { purgeSent, readBacklog, relayOutbox, type WakeUp } from '../src/outbox.ts'
import { claimed, createTaskWorld, rowsOf, submitted } from './task-fixture.ts'
import { handBack } from '../src/lifecycle.ts'

async function setup(t: Test) {
  const { database } = await createTestDatabase(t)
  const world = await createTaskWorld(database)
  const sent: WakeUp[] = []
  const send = async (wakeUps: readonly WakeUp[]) => {
    sent.push(...wakeUps)
  }
  const relay = (batchSize = 100) => relayOutbox(database, send, { batchSize })
  return { database, world, sent, relay }
}

t.test('a due wake-up is sent once and the task is marked as dispatched', async t => {
  const { database, world, sent, relay } = await setup(t)
  const { id } = await submitted(world, { requestId: 'request-3' })

  t.equal(await relay(), 1)
  t.equal(await relay(), 0)

  const job = { taskId: id, requestId: 'request-3' }
  t.strictSame(sent, [{ id: `${id}-0`, job, priority: 1, isRepeat: false }])
  const dispatched = sql`SELECT dispatched_at IS NOT NULL AS yes FROM tasks WHERE id = ${id}`
  t.strictSame(await rowsOf(database, dispatched), [{ yes: true }])
})

t.test('four relays at once send each of forty wake-ups once', async t => {
  const { world, sent, relay } = await setup(t)
  for (let i = 0; i < 40; i++) await submitted(world)

  const counts = await Promise.all(Array.from({ length: 4 }, () => relay(10)))

  t.equal(
    counts.reduce((sum, count) => sum + count, 0),
    sent.length,
  )
  t.equal(new Set(sent.map(({ id }) => id)).size, sent.length)
  for (let batch = 0; batch < 4; batch++) await relay(10)
  t.equal(sent.length, 40)
})

t.test('what could not be sent stays and is sent later', async t => {
  const { database, world, sent, relay } = await setup(t)
  await submitted(world)
  const refuse = async () => {
    throw new Error('Redis is down')
  }

  await t.rejects(relayOutbox(database, refuse, { batchSize: 10 }), /Redis is down/)
  t.match(await readBacklog(database), { unsent: 1 })

  t.equal(await relay(), 1)
  t.equal(sent.length, 1)
})

t.test('a relay that dies between sending and marking sends the same wake-up again', async t => {
  const { database, world, sent, relay } = await setup(t)
  await submitted(world)
  const dieAfterSending = async (wakeUps: readonly WakeUp[]) => {
    sent.push(...wakeUps)
    throw new Error('killed')
  }
  await t.rejects(relayOutbox(database, dieAfterSending, { batchSize: 10 }), /killed/)

  await relay()

  t.equal(sent.length, 2)
  t.strictSame(sent[0], sent[1])
})

t.test('a wake-up for later is left alone until then', async t => {
  const { database, world, sent, relay } = await setup(t)
  const task = await claimed(world)
  await relay()
  const held = { taskId: task.id, attempt: 1 }
  await handBack(database, { ...held, delayMs: 60_000, counts: 'retry' })

  t.equal(await relay(), 0)
  t.match(await readBacklog(database), { unsent: 0, oldestAgeMs: 0 })
  await database.query(
    sql`UPDATE outbox SET available_at = now() - interval '1 s' WHERE sent_at IS NULL`,
  )

  t.equal(await relay(), 1)
  t.equal(sent.at(-1)?.id, `${task.id}-1`)
})

t.test('the oldest go first, a batch at a time', async t => {
  const { world, sent, relay } = await setup(t)
  const ids: string[] = []
  for (let i = 0; i < 5; i++) ids.push((await submitted(world)).id)

  t.equal(await relay(2), 2)
  t.equal(await relay(2), 2)
  t.equal(await relay(2), 1)

  t.strictSame(
    sent.map(({ job }) => job.taskId),
    ids,
  )
})

t.test('the backlog tells how long the oldest wake-up has been due', async t => {
  const { database, world } = await setup(t)
  await submitted(world)
  await database.query(sql`UPDATE outbox SET available_at = now() - interval '30 seconds'`)

  const { unsent, oldestAgeMs } = await readBacklog(database)

  t.equal(unsent, 1)
  t.ok(oldestAgeMs > 29_000 && oldestAgeMs < 60_000)
})

t.test('sent wake-ups are purged after a while, unsent ones never', async t => {
  const { database, world, relay } = await setup(t)
  for (let i = 0; i < 3; i++) await submitted(world)
  await relay()
  await submitted(world)
  await database.query(sql`UPDATE outbox SET sent_at = sent_at - interval '1 day'`)
  await database.query(sql`UPDATE outbox SET created_at = now() - interval '1 day'`)

  t.equal(await purgeSent(database, { olderThanMs: 3_600_000, limit: 2 }), 2)
  t.equal(await purgeSent(database, { olderThanMs: 3_600_000, limit: 2 }), 1)
  t.equal(await purgeSent(database, { olderThanMs: 3_600_000, limit: 2 }), 0)

  t.match(await rowsOf(database, sql`SELECT sent_at FROM outbox`), [{ sent_at: null }])
})
