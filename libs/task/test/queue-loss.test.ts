import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import type { TaskJob } from '@funmagic/contract/task'
import { sql } from '@funmagic/database/sql'
import { createTestDatabase } from '@funmagic/database/testing'
import { inTransaction } from '@funmagic/database/transaction'
import { claimTask, completeTask } from '../src/lifecycle.ts'
import { relayOutbox } from '../src/outbox.ts'
import { TaskConsumer, TaskQueue } from '../src/queue.ts'
import { redispatchLost } from '../src/sweeps.ts'
import { findTasks } from '../src/tasks.ts'
import { startOwnRedis } from './redis-fixture.ts'
import { createTaskWorld, rowsOf, submitted, until } from './task-fixture.ts'

/** A gateway and a worker in their simplest form, on a Redis that may lose everything. */
async function setup(t: Test) {
  const { database } = await createTestDatabase(t)
  const world = await createTaskWorld(database)
  const { url } = await startOwnRedis(t)
  const connection = { url, connectionName: 'test', onError: () => undefined }
  const queue = new TaskQueue(connection)
  const flusher = new Redis(url)
  t.teardown(() => flusher.disconnect())
  t.teardown(() => queue[Symbol.asyncDispose]())
  const relay = () => relayOutbox(database, jobs => queue.enqueue(jobs), { batchSize: 100 })
  const completions: string[] = []
  let jobsSeen = 0
  const onJob = async ({ taskId }: TaskJob) => {
    jobsSeen++
    const task = await claimTask(database, { taskId, leaseMs: 30_000 })
    if (!task) return
    const completion = { taskId, attempt: task.attempt, output: { assetIds: [] } }
    const finished = await inTransaction(database, tx => completeTask(tx, completion))
    if (finished) completions.push(taskId)
  }
  const startWorker = () => {
    const consumer = new TaskConsumer({ ...connection, concurrency: 5, onJob })
    t.teardown(() => consumer.close(1_000))
  }
  const jobCount = () => jobsSeen
  return { database, world, queue, flusher, relay, completions, startWorker, jobCount }
}

t.test('no task is lost when Redis loses everything (T3, R-2)', async t => {
  const { database, world, queue, flusher, relay, completions, startWorker } = await setup(t)
  const ids: string[] = []
  for (let i = 0; i < 10; i++) ids.push((await submitted(world)).id)
  await relay()
  t.match(await queue.counts(), { waiting: 10 })
  await flusher.flushall()
  startWorker()

  await database.query(sql`UPDATE tasks SET dispatched_at = now() - interval '5 minutes'`)
  await redispatchLost(database, { limit: 100, olderThanMs: 60_000 })
  await relay()
  await until(() => completions.length >= 10)

  t.strictSame(completions.toSorted(), ids.toSorted())
  const tasks = await findTasks(database, ids)
  t.ok(tasks.every(task => task.status === 'completed' && task.attempt === 1))
})

t.test('repeated, shuffled and late wake-ups change nothing (T10)', async t => {
  const { database, world, queue, completions, startWorker, jobCount } = await setup(t)
  const ids: string[] = []
  for (let i = 0; i < 5; i++) ids.push((await submitted(world)).id)
  const repeats = Array.from({ length: 4 }, (_, copy) =>
    ids.map(taskId => ({
      id: `copy-${copy}-${taskId}`,
      job: { taskId, requestId: 'r' },
      priority: 1 + copy,
      isRepeat: false,
    })),
  )
  startWorker()

  await queue.enqueue(repeats.flat().toReversed())
  await until(() => jobCount() === 20)
  await until(async () => (await queue.counts()).active === 0)

  t.strictSame(completions.toSorted(), ids.toSorted())
  t.match(await rowsOf(database, sql`SELECT max(attempt) AS most FROM tasks`), [{ most: 1 }])
})

t.test('a wake-up that still waits is not doubled by the sweeper', async t => {
  const { database, world, queue, relay } = await setup(t)
  for (let i = 0; i < 3; i++) await submitted(world)
  await relay()

  for (let sweep = 0; sweep < 3; sweep++) {
    await database.query(sql`UPDATE tasks SET dispatched_at = now() - interval '5 minutes'`)
    await redispatchLost(database, { limit: 100, olderThanMs: 60_000 })
    await relay()
  }

  t.match(await queue.counts(), { waiting: 3 })
})
