import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { newId } from '@funmagic/contract/ids'
import type { NumberedEvent, NumberedUserEvent, ProgressEvent } from '@funmagic/contract/progress'
import { publishEvent, readEvents } from '../src/progress-channel.ts'
import { ProgressSubscriber } from '../src/progress-subscriber.ts'
import { openSharedRedis, startOwnRedis } from './redis-fixture.ts'
import { until } from './task-fixture.ts'

const step = (progress: number): ProgressEvent => ({ type: 'progress', progress, message: '' })

function setup(t: Test, changes: { url?: string; watchesMax?: number; onReconnect?(): void } = {}) {
  const redis = openSharedRedis(t, changes)
  const listening = new Redis(changes.url ?? process.env['REDIS_CACHE_URL'] ?? '', {
    maxRetriesPerRequest: null,
    retryStrategy: () => 50,
  })
  listening.on('error', () => undefined)
  t.teardown(() => listening.disconnect())
  const errors: Error[] = []
  const subscriber = new ProgressSubscriber({
    redis: listening,
    watchesMax: changes.watchesMax ?? 100,
    onError: error => errors.push(error),
    ...(changes.onReconnect ? { onReconnect: changes.onReconnect } : {}),
  })
  return { redis, subscriber, errors, to: { taskId: newId(), userId: newId() } }
}

t.test('replaying after subscribing leaves no hole, and ids tell repeats', async t => {
  const { redis, subscriber, to } = setup(t)
  const seen = new Map<string, ProgressEvent>()
  const publishing = Array.from({ length: 40 }, (_, i) => publishEvent(redis, to, step(i)))
  const note = ({ id, event }: NumberedEvent) => seen.set(id, event)

  await subscriber.watchTask(to.taskId, note)
  const { events } = await readEvents(redis, to.taskId)
  events.forEach(note)
  publishing.push(publishEvent(redis, to, step(40)), publishEvent(redis, to, step(41)))
  await Promise.all(publishing)
  await until(() => seen.size === 42)

  const numbers = [...seen.keys()].map(id => Number(id.split('-')[1])).sort((a, b) => a - b)
  t.strictSame(
    numbers,
    Array.from({ length: 42 }, (_, i) => i + 1),
  )
})

t.test('a user hears of all own tasks, each event naming its task', async t => {
  const { redis, subscriber, to } = setup(t)
  const heard: NumberedUserEvent[] = []
  await subscriber.watchUser(to.userId, event => heard.push(event))

  await publishEvent(redis, to, step(10))
  await publishEvent(redis, { ...to, taskId: newId() }, { type: 'canceled' })
  await publishEvent(redis, { taskId: to.taskId, userId: newId() }, step(20))
  await publishEvent(redis, to, step(30))
  await until(() => heard.length === 3)

  t.match(heard, [
    { event: { taskId: to.taskId, type: 'progress', progress: 10 } },
    { event: { type: 'canceled' } },
    { event: { taskId: to.taskId, progress: 30 } },
  ])
})

t.test('many watchers share one subscription, which ends with the last (P6)', async t => {
  const { redis, subscriber, to } = setup(t)
  const channel = `task:${to.taskId}`
  const heard = [0, 0]
  const subscribers = async () => (await redis.pubsub('NUMSUB', channel))[1]
  const unwatchFirst = await subscriber.watchTask(to.taskId, () => (heard[0] = 1))
  const unwatchSecond = await subscriber.watchTask(to.taskId, () => (heard[1] = 1))
  t.equal(await subscribers(), 1)

  unwatchFirst()
  unwatchFirst()
  await publishEvent(redis, to, step(1))
  await until(() => heard[1] === 1)
  t.strictSame(heard, [0, 1])
  unwatchSecond()

  await until(async () => (await subscribers()) === 0)
  t.equal(subscriber.channelCount(), 0)
})

t.test('ending a watch and beginning another at once keeps the other alive', async t => {
  const { redis, subscriber, to } = setup(t)
  let heard = 0
  const unwatch = await subscriber.watchTask(to.taskId, () => undefined)

  unwatch()
  await subscriber.watchTask(to.taskId, () => heard++)
  await publishEvent(redis, to, step(1))

  await t.resolves(until(() => heard === 1))
})

t.test('more watches than allowed are refused; an ended one makes room', async t => {
  const { subscriber } = setup(t, { watchesMax: 1 })
  const unwatch = await subscriber.watchTask(newId(), () => undefined)

  await t.rejects(
    subscriber.watchTask(newId(), () => undefined),
    { code: 'OVERLOADED' },
  )
  unwatch()

  await t.resolves(subscriber.watchTask(newId(), () => undefined))
})

t.test('after Redis was away the subscriptions are back and the watchers are told', async t => {
  const own = await startOwnRedis(t)
  let reconnects = 0
  const { redis, subscriber, to } = setup(t, { url: own.url, onReconnect: () => reconnects++ })
  const heard: NumberedEvent[] = []
  await subscriber.watchTask(to.taskId, event => heard.push(event))
  const before = reconnects

  await own.kill()
  await own.start()
  await until(() => reconnects > before)
  await publishEvent(redis, to, step(50))

  await t.resolves(until(() => heard.length === 1))
})

t.test('without Redis a watch is refused in bounded time and leaves nothing', async t => {
  const own = await startOwnRedis(t)
  const { subscriber, to } = setup(t, { url: own.url })
  await own.kill()

  await t.rejects(
    subscriber.watchTask(to.taskId, () => undefined),
    { code: 'UNAVAILABLE' },
  )

  t.equal(subscriber.channelCount(), 0)
})
