import { newId } from '@funmagic/contract/ids'
import { createLogger } from '@funmagic/runtime/logger'
import { createMetrics } from '@funmagic/runtime/metrics'
import { TaskQueue } from '@funmagic/task/queue'
import t, { type Test } from 'tap'
import type { Shutdown } from '../src/attempt.ts'
import { createEvents } from '../src/events.ts'
import { Worker } from '../src/worker.ts'
import { until } from './until.ts'
import { environment } from './worker-world.ts'

interface Setup {
  readonly runTask?: (taskId: string, shutdown: Shutdown) => Promise<void>
  readonly wedgedAfterMs?: number
}

/** A worker on a queue of its own, that runs whatever the test says. */
function setup(t: Test, { runTask, wedgedAfterMs }: Setup) {
  const url = environment('REDIS_QUEUE_URL')
  const prefix = `test-${newId()}`
  const queue = new TaskQueue({
    url,
    prefix,
    connectionName: 'worker-test',
    onError: () => undefined,
  })
  t.teardown(() => queue[Symbol.asyncDispose]())
  const metrics = createMetrics('provider-worker')
  const worker = new Worker({
    queueUrl: url,
    queuePrefix: prefix,
    concurrency: 2,
    lockMs: 10_000,
    wedgedAfterMs: wedgedAfterMs ?? 60_000,
    graceMs: 100,
    runTask: runTask ?? (async () => undefined),
    events: createEvents(metrics, createLogger('provider-worker', 'silent')),
  })
  const enqueue = (taskId: string) => {
    const job = { taskId, requestId: 'request-1' }
    return queue.enqueue([{ id: newId(), job, priority: 1, isRepeat: false }])
  }
  return { worker, queue, enqueue }
}

t.test('a task that throws takes nobody with it', async t => {
  const ran: string[] = []
  const { worker, enqueue } = setup(t, {
    runTask: async taskId => {
      ran.push(taskId)
      if (ran.length === 1) throw new Error('Postgres is away')
    },
  })
  t.teardown(() => worker[Symbol.asyncDispose]())

  await enqueue(newId())
  await until(() => ran.length === 1)
  await enqueue(newId())

  await until(() => ran.length === 2)
  t.pass('the second ran')
})

t.test('a task that could not be claimed runs again within seconds, by itself', async t => {
  const taskId = newId()
  const ran: string[] = []
  const { worker, enqueue } = setup(t, {
    runTask: async id => {
      ran.push(id)
      if (ran.length < 3) throw new Error('Postgres is away')
    },
  })
  t.teardown(() => worker[Symbol.asyncDispose]())

  await enqueue(taskId)
  await until(() => ran.length === 3)

  t.same(ran, [taskId, taskId, taskId])
})

t.test('a worker that asks its queue for work is well', async t => {
  const { worker } = setup(t, {})
  t.teardown(() => worker[Symbol.asyncDispose]())

  await t.resolves(worker.check())
})

t.test('a worker that no longer asks its queue for work says so (Q-5)', async t => {
  const { worker } = setup(t, { wedgedAfterMs: 1 })
  t.teardown(() => worker[Symbol.asyncDispose]())

  await until(() => worker.lastFetchAgeSeconds() > 0.002)

  await t.rejects(worker.check(), { message: /has not asked for work/ })
})

t.test('an end has two stages: first what waits, after the grace the rest', async t => {
  const stages: string[] = []
  const { worker, enqueue } = setup(t, {
    runTask: async (_taskId, { started, expired }) => {
      stages.push('running')
      const { promise, resolve } = Promise.withResolvers<void>()
      started.addEventListener('abort', () => stages.push('started'))
      expired.addEventListener('abort', () => resolve())
      await promise
      stages.push('expired')
    },
  })
  await enqueue(newId())
  await until(() => stages.length === 1)

  await worker[Symbol.asyncDispose]()

  t.strictSame(stages, ['running', 'started', 'expired'])
})
