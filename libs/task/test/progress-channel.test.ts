import t from 'tap'
import { newId } from '@funmagic/contract/ids'
import type { ProgressEvent } from '@funmagic/contract/progress'
import {
  publishBalance,
  publishEvent,
  readEvents,
  readUserEvents,
} from '../src/progress-channel.ts'
import { openSharedRedis } from './redis-fixture.ts'

const redis = openSharedRedis(t)
const address = () => ({ taskId: newId(), userId: newId() })
const step = (progress: number): ProgressEvent => ({ type: 'progress', progress, message: '' })
const completed: ProgressEvent = { type: 'completed', output: { assetIds: [] } }
const numberOf = (id: string) => Number(id.split('-')[1])

t.test('ids of a task are dense from one, even when published at once (P1)', async t => {
  const to = address()

  const published = await Promise.all(
    Array.from({ length: 50 }, (_, i) => publishEvent(redis, to, step(i))),
  )

  const numbers = published.map(({ id }) => numberOf(id)).sort((a, b) => a - b)
  t.strictSame(
    numbers,
    Array.from({ length: 50 }, (_, i) => i + 1),
  )
  t.equal(new Set(published.map(({ id }) => id.split('-')[0])).size, 1)
})

t.test('what was published is read back in order, with its ids', async t => {
  const to = address()
  const first = await publishEvent(redis, to, step(10))
  const second = await publishEvent(redis, to, step(20))

  const replay = await readEvents(redis, to.taskId)

  t.strictSame(replay, {
    events: [
      { id: first.id, event: step(10) },
      { id: second.id, event: step(20) },
    ],
    gap: false,
    lastId: second.id,
  })
})

t.test('reading after an id gives what came after it, and no gap', async t => {
  const to = address()
  const { id: firstId } = await publishEvent(redis, to, step(10))
  const { id: lastId } = await publishEvent(redis, to, step(20))

  t.strictSame(await readEvents(redis, to.taskId, firstId), {
    events: [{ id: lastId, event: step(20) }],
    gap: false,
    lastId,
  })
  t.strictSame(await readEvents(redis, to.taskId, lastId), { events: [], gap: false, lastId })
})

t.test('after the terminal event nothing is added (P2)', async t => {
  const to = address()
  const terminal = await publishEvent(redis, to, completed)

  const late = await publishEvent(redis, to, step(99))
  const again = await publishEvent(redis, to, { type: 'canceled' })

  t.strictSame(terminal, { id: terminal.id, isNew: true })
  t.strictSame(late, { id: terminal.id, isNew: false })
  t.strictSame(again, { id: terminal.id, isNew: false })
  t.equal((await readEvents(redis, to.taskId)).events.length, 1)
  t.equal((await readUserEvents(redis, to.userId)).events.length, 1)
})

t.test('many terminal events at once: one of them is it', async t => {
  const to = address()
  const endings: ProgressEvent[] = [completed, { type: 'canceled' }]

  const published = await Promise.all(
    Array.from({ length: 20 }, (_, i) => publishEvent(redis, to, endings[i % 2] ?? completed)),
  )

  t.equal(published.filter(({ isNew }) => isNew).length, 1)
})

t.test('the stream of a user has the events of all tasks, and the balance', async t => {
  const one = address()
  const two = { ...address(), userId: one.userId }
  await publishEvent(redis, one, step(10))
  await publishEvent(redis, two, completed)
  await publishBalance(redis, one.userId, { balance: 5, reservedBalance: 0 })
  await publishEvent(redis, one, step(20))

  const { events } = await readUserEvents(redis, one.userId)

  t.strictSame(
    events.map(({ id }) => numberOf(id)),
    [1, 2, 3, 4],
  )
  t.strictSame(
    events.map(({ event }) => event),
    [
      { taskId: one.taskId, ...step(10) },
      { taskId: two.taskId, ...completed },
      { type: 'balance', balance: 5, reservedBalance: 0 },
      { taskId: one.taskId, ...step(20) },
    ],
  )
})

t.test('an empty stream is no gap for a newcomer', async t => {
  t.strictSame(await readEvents(redis, newId()), { events: [], gap: false, lastId: undefined })
})

t.test('an id of a stream that is gone, or of another, is a gap', async t => {
  const to = address()
  const { id: oldId } = await publishEvent(redis, to, step(10))
  await redis.del(`stream:task:${to.taskId}`)

  t.strictSame(await readEvents(redis, to.taskId, oldId), {
    events: [],
    gap: true,
    lastId: undefined,
  })
  const { id: newestId } = await publishEvent(redis, to, step(20))
  const replay = await readEvents(redis, to.taskId, oldId)
  t.strictSame(replay, { events: [], gap: true, lastId: newestId })
})

t.test('an id that was never given out is a gap', async t => {
  const to = address()
  const { id } = await publishEvent(redis, to, step(10))
  const [epoch] = id.split('-')

  for (const afterId of [`${epoch}-2`, `${Number(epoch) + 1}-1`, '', 'x', `${epoch}-1-1`, '$']) {
    t.match(await readEvents(redis, to.taskId, afterId), { events: [], gap: true, lastId: id })
  }
})

t.test('an id whose successors were trimmed is a gap; the next one is none', async t => {
  const to = address()
  const ids: string[] = []
  for (let i = 1; i <= 6; i++) ids.push((await publishEvent(redis, to, step(i))).id)
  await redis.xtrim(`stream:task:${to.taskId}`, 'MAXLEN', 3)

  t.match(await readEvents(redis, to.taskId, ids[1]), { gap: true, lastId: ids[5] })
  t.match(await readEvents(redis, to.taskId), { gap: true, lastId: ids[5] })
  const { events, gap } = await readEvents(redis, to.taskId, ids[2])
  t.equal(gap, false)
  t.strictSame(
    events.map(({ id }) => id),
    ids.slice(3),
  )
})

t.test('a stream is bounded and expires five minutes after its last event', async t => {
  const to = address()
  const publishing = Array.from({ length: 1_500 }, () => publishEvent(redis, to, step(1)))
  await Promise.all(publishing)

  const lifeMs = await redis.pttl(`stream:task:${to.taskId}`)

  t.ok((await redis.xlen(`stream:task:${to.taskId}`)) <= 1_100)
  t.ok(lifeMs > 290_000 && lifeMs <= 300_000)
})

t.test('an event above 16 KB is refused', async t => {
  const to = address()
  const event: ProgressEvent = { type: 'progress', progress: 1, message: 'ä'.repeat(8_200) }

  await t.rejects(publishEvent(redis, to, event), RangeError)

  t.strictSame((await readEvents(redis, to.taskId)).events, [])
})
