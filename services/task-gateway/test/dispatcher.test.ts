import { readBacklog } from '@funmagic/task/outbox'
import { TaskQueue } from '@funmagic/task/queue'
import t from 'tap'
import { Dispatcher } from '../src/dispatcher.ts'
import { sample } from '../src/jobs/sample.ts'
import { addUser, openGateway, submitted, until, type Gateway } from './gateway-app.ts'
import { startRedis, type RedisServer } from './redis-server.ts'

interface Teardown {
  teardown(work: () => unknown): void
}

function openQueue(t: Teardown, { url }: RedisServer): TaskQueue {
  const queue = new TaskQueue({ url, connectionName: 'test', onError: () => undefined })
  t.teardown(() => queue[Symbol.asyncDispose]())
  return queue
}

function startDispatcher(
  t: Teardown,
  { database, events }: Gateway,
  options: { queue: Pick<TaskQueue, 'enqueue'>; intervalMs?: number; batchSize?: number },
): Dispatcher {
  const dispatcher = new Dispatcher({
    database,
    events,
    intervalMs: 60_000,
    batchSize: 100,
    ...options,
  })
  t.teardown(() => dispatcher[Symbol.asyncDispose]())
  return dispatcher
}

/** Notes each wake-up that is sent, by its task. */
function recorder() {
  const sent: string[] = []
  const enqueue: TaskQueue['enqueue'] = async wakeUps => {
    sent.push(...wakeUps.map(wakeUp => wakeUp.job.taskId))
  }
  return { sent, queue: { enqueue } }
}

t.test('a nudge brings the wake-up to the queue, long before the next look', async t => {
  const gateway = await openGateway(t)
  const queue = openQueue(t, await startRedis(t))
  const dispatcher = startDispatcher(t, gateway, { queue })
  const owner = await addUser(gateway)

  await submitted(gateway, owner)
  dispatcher.nudge()

  await until(async () => (await queue.counts()).waiting === 1)
  // The queue has it a moment before the outbox is marked.
  await until(async () => (await readBacklog(gateway.database)).unsent === 0)
  t.pass('sent and marked')
})

t.test('a lost nudge delays a wake-up by one interval at most', async t => {
  const gateway = await openGateway(t)
  const { sent, queue } = recorder()
  startDispatcher(t, gateway, { queue, intervalMs: 50 })

  const taskId = await submitted(gateway, await addUser(gateway))

  await until(() => sent.length > 0)
  t.same(sent, [taskId])
})

t.test('a backlog is sent in whole batches without waiting in between', async t => {
  const gateway = await openGateway(t)
  const owner = await addUser(gateway, 1_000)
  for (let n = 0; n < 7; n++) await submitted(gateway, owner)
  const batches: number[] = []
  const queue = {
    enqueue: async (wakeUps: readonly unknown[]) => void batches.push(wakeUps.length),
  }

  startDispatcher(t, gateway, { queue, batchSize: 3 })

  await until(() => batches.length === 3)
  t.same(batches, [3, 3, 1])
})

t.test('two dispatchers at once send each wake-up once', async t => {
  const gateway = await openGateway(t)
  const owner = await addUser(gateway, 1_000)
  for (let n = 0; n < 12; n++) await submitted(gateway, owner)
  const { sent, queue } = recorder()

  startDispatcher(t, gateway, { queue, batchSize: 1 })
  startDispatcher(t, gateway, { queue, batchSize: 1 })

  await until(async () => (await readBacklog(gateway.database)).unsent === 0)
  t.equal(sent.length, 12)
  t.equal(new Set(sent).size, 12)
})

t.test('while Redis is down tasks are accepted, and afterwards they are sent', async t => {
  const gateway = await openGateway(t)
  const server = await startRedis(t)
  const queue = openQueue(t, server)
  const owner = await addUser(gateway)
  const dispatcher = startDispatcher(t, gateway, { queue, intervalMs: 100 })
  await server.kill()

  await submitted(gateway, owner)
  await submitted(gateway, owner)
  dispatcher.nudge()
  await until(async () => /outbox_failures_total\S* [1-9]/.test(await metricsOf(gateway)))
  await sample({ ...gateway, queue })
  const duringOutage = await metricsOf(gateway)
  await server.start()

  await until(async () => (await queue.counts()).waiting === 2)
  // The queue has them a moment before the outbox is marked.
  await until(async () => (await readBacklog(gateway.database)).unsent === 0)
  t.match(duringOutage, /outbox_unsent\S* 2/)
  t.match(duringOutage, /outbox_oldest_unsent_age_seconds\S* 0\.\d/)
})

t.test('a Redis that answers nothing holds the dispatcher for seconds, not for ever', async t => {
  const gateway = await openGateway(t)
  const server = await startRedis(t)
  const queue = openQueue(t, server)
  const dispatcher = startDispatcher(t, gateway, { queue, intervalMs: 100 })
  const owner = await addUser(gateway)
  await queue.ping()
  server.freeze()

  await submitted(gateway, owner)
  dispatcher.nudge()
  await until(async () => /outbox_failures_total\S* [1-9]/.test(await metricsOf(gateway)))
  server.thaw()

  await until(async () => (await readBacklog(gateway.database)).unsent === 0)
  t.equal((await queue.counts()).waiting, 1)
})

t.test('closing ends after the batch under way, and starts no other', async t => {
  const gateway = await openGateway(t)
  const owner = await addUser(gateway)
  await submitted(gateway, owner)
  await submitted(gateway, owner)
  const { promise: sending, resolve: begin } = Promise.withResolvers<void>()
  const { promise: answer, resolve: end } = Promise.withResolvers<void>()
  let batches = 0
  const queue = {
    enqueue: () => {
      batches += 1
      begin()
      return answer
    },
  }
  const dispatcher = startDispatcher(t, gateway, { queue, batchSize: 1 })

  await sending
  const order: string[] = []
  const closed = dispatcher[Symbol.asyncDispose]().then(() => order.push('closed'))
  await readBacklog(gateway.database)
  order.push('sent')
  end()
  await closed

  t.same(order, ['sent', 'closed'])
  t.equal(batches, 1)
  t.match(await readBacklog(gateway.database), { unsent: 1 })
})

t.test('the queue is counted under the names of the seeds', async t => {
  const gateway = await openGateway(t)
  const queue = openQueue(t, await startRedis(t))
  startDispatcher(t, gateway, { queue, intervalMs: 50 })
  await submitted(gateway, await addUser(gateway))
  await until(async () => (await queue.counts()).waiting === 1)

  await sample({ ...gateway, queue })

  const text = await metricsOf(gateway)
  t.match(text, /bullmq_waiting\{queue="ai-tasks".*\} 1/)
  t.match(text, /bullmq_active\{queue="ai-tasks".*\} 0/)
  t.match(text, /bullmq_failed\{queue="ai-tasks".*\} 0/)
})

function metricsOf({ metrics }: Gateway): Promise<string> {
  return metrics.registry.metrics()
}
