import t, { type Test } from 'tap'
import type { TaskJob } from '@funmagic/contract/task'
import type { WakeUp } from '../src/outbox.ts'
import { requireNoEviction, TaskConsumer, TaskQueue, type ConsumerOptions } from '../src/queue.ts'
import { sharedQueue, startOwnRedis } from './redis-fixture.ts'
import { until } from './task-fixture.ts'

const wakeUp = (taskId: string, attempt = 0, place: Partial<WakeUp> = {}): WakeUp => {
  const job = { taskId, requestId: 'r' }
  return { id: `${taskId}-${attempt}`, job, priority: 1, isRepeat: false, ...place }
}

function setup(t: Test, place = sharedQueue()) {
  const errors: Error[] = []
  const connection = {
    ...place,
    connectionName: 'test',
    onError: (error: Error) => errors.push(error),
  }
  const queue = new TaskQueue(connection)
  t.teardown(() => queue[Symbol.asyncDispose]())
  const consume = (changes: Partial<ConsumerOptions> & Pick<ConsumerOptions, 'onJob'>) => {
    const consumer = new TaskConsumer({ ...connection, concurrency: 5, ...changes })
    t.teardown(() => consumer.close(1_000))
    return consumer
  }
  return { queue, consume, errors, connection }
}

t.test('every wake-up reaches a consumer with the ids and nothing else', async t => {
  const { queue, consume } = setup(t)
  const jobs: TaskJob[] = []
  consume({ onJob: async job => void jobs.push(job) })

  await queue.enqueue([wakeUp('a'), wakeUp('b')])
  await until(() => jobs.length === 2)

  t.strictSame(new Set(jobs.map(job => JSON.stringify(job))).size, 2)
  t.match(jobs, [{ requestId: 'r' }, { requestId: 'r' }])
})

t.test('a repeat of a wake-up that still waits collapses', async t => {
  const { queue } = setup(t)

  await queue.enqueue([wakeUp('a'), wakeUp('a')])
  await queue.enqueue([wakeUp('a'), wakeUp('a', 1)])

  t.strictSame(await queue.counts(), { waiting: 2, active: 0, failed: 0 })
})

t.test('the same wake-up can be sent again once its job has ended, well or badly', async t => {
  const { queue, consume, errors } = setup(t)
  let runs = 0
  consume({
    onJob: async () => {
      runs++
      if (runs === 2) throw new Error('Postgres is down')
    },
  })

  for (let sent = 1; sent <= 3; sent++) {
    await until(async () => {
      await queue.enqueue([wakeUp('a')])
      return runs >= sent
    })
  }

  t.ok(runs >= 3)
  t.same(errors, [])
})

t.test('a job that throws runs again within seconds, four times in all, then goes', async t => {
  const { queue, consume } = setup(t)
  const runs = new Map<string, number>()
  consume({
    onJob: async ({ taskId }) => {
      const run = (runs.get(taskId) ?? 0) + 1
      runs.set(taskId, run)
      if (taskId === 'never' || run < 2) throw new Error('Postgres is away')
    },
  })

  await queue.enqueue([wakeUp('never'), wakeUp('soon')])
  await until(() => runs.get('never') === 4)
  // With its history gone, its id is free: the sweeper's next wake-up runs.
  await until(async () => {
    await queue.enqueue([wakeUp('never')])
    return (runs.get('never') ?? 0) > 4
  })

  t.equal(runs.get('soon'), 2)
  t.match(await queue.counts(), { failed: 0 })
})

t.test('no more jobs run at once than allowed', async t => {
  const { queue, consume } = setup(t)
  let running = 0
  let most = 0
  let done = 0
  consume({
    concurrency: 2,
    onJob: async () => {
      most = Math.max(most, ++running)
      await new Promise(resolve => setImmediate(resolve))
      running--
      done++
    },
  })

  await queue.enqueue(Array.from({ length: 12 }, (_, i) => wakeUp(`t${i}`)))
  await until(() => done === 12)

  t.ok(most <= 2)
})

t.test('closing takes no more jobs, aborts the running ones and waits for them', async t => {
  const { queue, consume } = setup(t)
  const seen: string[] = []
  const consumer = consume({
    concurrency: 1,
    onJob: (_job, signal) =>
      new Promise(resolve => {
        seen.push('started')
        signal.addEventListener('abort', () => {
          seen.push('handed back')
          resolve()
        })
      }),
  })
  await queue.enqueue([wakeUp('a'), wakeUp('b')])
  await until(() => consumer.activeCount() === 1)

  t.equal(await consumer.close(5_000), true)

  t.strictSame(seen, ['started', 'handed back'])
  t.match(await queue.counts(), { waiting: 1 })
})

t.test('closing gives up at its deadline', async t => {
  const { queue, consume } = setup(t)
  const { promise: stuck, resolve: release } = Promise.withResolvers<void>()
  const consumer = consume({ onJob: () => stuck })
  await queue.enqueue([wakeUp('a')])
  await until(() => consumer.activeCount() === 1)

  t.equal(await consumer.close(50), false)
  release()
})

t.test('closing does not wait for a Redis that is gone', async t => {
  const own = await startOwnRedis(t)
  const { queue, consume } = setup(t, { url: own.url, prefix: 'bull' })
  const consumer = consume({
    onJob: (_job, signal) =>
      new Promise(resolve => signal.addEventListener('abort', () => resolve())),
  })
  await queue.enqueue([wakeUp('a')])
  await until(() => consumer.activeCount() === 1)
  await own.kill()
  const startedAt = performance.now()

  t.equal(await consumer.close(30_000), true)

  t.ok(performance.now() - startedAt < 5_000)
})

t.test('a consumer that waits for work shows that it is alive', async t => {
  const { queue, consume } = setup(t)
  const { promise: working, resolve: finish } = Promise.withResolvers<void>()
  const startedAt = performance.now()
  const consumer = consume({ concurrency: 1, onJob: () => working })
  await until(() => performance.now() - startedAt > 50)
  await queue.enqueue([wakeUp('a')])
  await until(() => consumer.activeCount() === 1)

  t.equal(consumer.lastFetchAgeMs(), 0)
  finish()
  await until(() => consumer.activeCount() === 0)

  t.ok(consumer.lastFetchAgeMs() < performance.now() - startedAt - 25)
})

t.test('adding to a dead Redis fails within its deadline instead of hanging', async t => {
  const own = await startOwnRedis(t)
  const { queue } = setup(t, { url: own.url, prefix: 'bull' })
  await queue.ping()
  await own.kill()
  const startedAt = performance.now()

  await t.rejects(queue.enqueue([wakeUp('a')]))

  t.ok(performance.now() - startedAt < 4_000)
})

t.test('a queue that was opened without Redis works when Redis is there', async t => {
  const own = await startOwnRedis(t)
  await own.kill()
  const { queue } = setup(t, { url: own.url, prefix: 'bull' })
  await t.rejects(queue.enqueue([wakeUp('a')]))

  await own.start()
  await until(() =>
    queue.enqueue([wakeUp('a')]).then(
      () => true,
      () => false,
    ),
  )

  t.match(await queue.counts(), { waiting: 1 })
})

t.test('a consumer goes on by itself when Redis is back', async t => {
  const own = await startOwnRedis(t)
  const { queue, consume } = setup(t, { url: own.url, prefix: 'bull' })
  const jobs: TaskJob[] = []
  consume({ onJob: async job => void jobs.push(job) })
  await queue.enqueue([wakeUp('a')])
  await until(() => jobs.length === 1)

  await own.kill()
  await own.start()
  await until(() =>
    queue.enqueue([wakeUp('b')]).then(
      () => true,
      () => false,
    ),
  )

  await t.resolves(until(() => jobs.some(({ taskId }) => taskId === 'b')))
})

t.test('the smallest priority is served first, and a repeat takes its new place', async t => {
  const { queue, consume } = setup(t)
  await queue.enqueue([
    wakeUp('c', 0, { priority: 30 }),
    wakeUp('b', 0, { priority: 20 }),
    wakeUp('a', 0, { priority: 10 }),
    wakeUp('late', 0, { priority: 2 ** 21 - 1 }),
  ])
  await queue.enqueue([wakeUp('late', 0, { priority: 5, isRepeat: true })])
  t.match(await queue.counts(), { waiting: 4 })

  const served: string[] = []
  consume({ concurrency: 1, onJob: async ({ taskId }) => void served.push(taskId) })
  await until(() => served.length === 4)

  t.strictSame(served, ['late', 'a', 'b', 'c'])
})

t.test('a Redis that evicts is refused, one that does not is taken', async t => {
  const evicting = await startOwnRedis(t, '--maxmemory-policy', 'allkeys-lru')
  const { connection } = setup(t)
  const told: Error[] = []
  const tell = (error: Error) => void told.push(error)
  const check = (url: string) =>
    requireNoEviction({ ...connection, url }, { onUnknown: tell, onEvicting: tell })

  await t.rejects(check(evicting.url), /maxmemory-policy allkeys-lru/)
  await t.resolves(check(connection.url))

  t.strictSame(told, [])
})

t.test('a Redis that is away is asked as soon as it is there, and refused then', async t => {
  const own = await startOwnRedis(t, '--maxmemory-policy', 'allkeys-lru')
  await own.kill()
  const { connection } = setup(t)
  const evicting: Error[] = []

  const end = await requireNoEviction(
    { ...connection, url: own.url },
    { onUnknown: () => undefined, onEvicting: error => void evicting.push(error) },
  )
  t.teardown(end)
  t.strictSame(evicting, [])
  await own.start()

  await until(() => evicting.length === 1)
  t.match(evicting, [{ message: /maxmemory-policy allkeys-lru/ }])
})

t.test('where CONFIG is forbidden the policy is unknown, which is told', async t => {
  const own = await startOwnRedis(t, '--rename-command', 'CONFIG', '')
  const { connection } = setup(t)
  const unknown: Error[] = []

  await requireNoEviction(
    { ...connection, url: own.url },
    { onUnknown: reason => void unknown.push(reason), onEvicting: () => undefined },
  )

  t.match(unknown, [{ message: /unknown command/ }])
})
