import fc from 'fast-check'
import { isTerminal, type ProgressEvent } from '@funmagic/contract/progress'
import { newId } from '@funmagic/contract/ids'
import { createTestUser } from '@funmagic/session/testing'
import type { Redis } from '@funmagic/runtime/redis'
import { publishEvent } from '@funmagic/task/progress-channel'
import t from 'tap'
import { completeSilently, createTask, openStream, setup } from './progress-app.ts'

/** Two streams of one task made in the same millisecond would share their epoch. */
async function untilClockPasses(redis: Redis, epochMs: number): Promise<void> {
  const nowMs = async () => Math.floor(Number((await redis.time()).join('').slice(0, 13)))
  while ((await nowMs()) <= epochMs) await new Promise(setImmediate)
}

const progress = (percent: number) =>
  ({ type: 'progress', progress: percent, message: 'Working' }) as const
const completed: ProgressEvent = { type: 'completed', output: { assetIds: [] } }

t.test('a watcher gets the snapshot, the past, the present and one end, each once', async t => {
  const { address, database, redis } = await setup(t)
  const { task, user, to } = await createTask(database)
  const url = `${address}/api/tasks/${task.id}/stream`
  await publishEvent(redis, to, progress(10))

  const stream = openStream(t, url, { cookie: user.cookie })
  await stream.until(frames => frames.some(frame => frame.type === 'progress'))
  await publishEvent(redis, to, progress(50))
  await publishEvent(redis, to, completed)
  await stream.ended

  const events = stream.frames.filter(frame => frame.type !== 'heartbeat')
  t.same(
    events.map(({ type }) => type),
    ['connected', 'progress', 'progress', 'completed'],
  )
  t.match(events[0]?.data, { taskId: task.id, status: 'pending', progress: 0 })
  t.match(
    events.slice(1).map(({ id }) => id),
    [/-1$/, /-2$/, /-3$/],
  )
})

t.test('over any schedule of cuts, Last-Event-ID misses and repeats nothing', async t => {
  const { address, database, redis } = await setup(t)
  const { user } = await createTask(database)

  const run = async (cuts: readonly number[]) => {
    const { task, to } = await createTask(database, user)
    const url = `${address}/api/tasks/${task.id}/stream`
    const received: string[] = []
    for (const [round, count] of cuts.entries()) {
      const lastId = received.at(-1)
      const headers = { cookie: user.cookie, ...(lastId ? { 'last-event-id': lastId } : {}) }
      const stream = openStream(t, url, headers)
      const isEvent = ({ type }: { type: string }) => type === 'progress' || type === 'completed'
      for (let n = 0; n < count; n++) await publishEvent(redis, to, progress(round))
      const isLast = round === cuts.length - 1
      if (isLast) await publishEvent(redis, to, completed)
      if (isLast) await stream.ended
      else if (round % 2 === 0) await stream.until(frames => frames.length > 0)
      stream.cut()
      received.push(...stream.frames.filter(isEvent).map(({ id }) => id))
    }
    const numbers = received.map(id => Number(id.split('-')[1]))
    const total = cuts.reduce((sum, count) => sum + count, 0) + 1
    t.same(
      numbers,
      Array.from({ length: total }, (_, index) => index + 1),
    )
  }

  const cuts = fc.array(fc.nat({ max: 4 }), { minLength: 1, maxLength: 5 })
  await fc.assert(fc.asyncProperty(cuts, run), { numRuns: 25 })
})

t.test('where events are lost, a reset with the state comes before what follows', async t => {
  const { address, database, redis } = await setup(t)
  const { task, user, to } = await createTask(database)
  const { id } = await publishEvent(redis, to, progress(10))
  await redis.del(`stream:task:${task.id}`)
  await untilClockPasses(redis, Number(id.split('-')[0]))
  await publishEvent(redis, to, progress(20))

  const url = `${address}/api/tasks/${task.id}/stream`
  const stream = openStream(t, url, { cookie: user.cookie, 'last-event-id': id })
  await stream.until(frames => frames.some(frame => frame.type === 'reset'))
  await publishEvent(redis, to, progress(30))
  await stream.until(frames => frames.some(frame => frame.data['progress'] === 30))

  t.match(
    stream.frames.find(({ type }) => type === 'reset'),
    { data: { taskId: task.id, status: 'pending' } },
  )
  t.notOk(stream.frames.some(frame => frame.data['progress'] === 20))
})

t.test('an end that nobody announced is told all the same, once', async t => {
  const { address, database } = await setup(t)
  const { task, user } = await createTask(database)
  const stream = openStream(t, `${address}/api/tasks/${task.id}/stream`, { cookie: user.cookie })
  await stream.until(frames => frames.length > 0)

  await completeSilently(database, task.id)
  await stream.ended

  t.equal(stream.frames.filter(({ type }) => type === 'completed').length, 1)
})

t.test('who comes after the end gets it at once, and coming back again gets 204', async t => {
  const { address, database } = await setup(t)
  const { task, user } = await createTask(database)
  await completeSilently(database, task.id)
  const url = `${address}/api/tasks/${task.id}/stream`

  const first = openStream(t, url, { cookie: user.cookie })
  await first.ended
  const lastId = first.frames.at(-1)?.id ?? ''
  const again = await fetch(url, { headers: { cookie: user.cookie, 'last-event-id': lastId } })

  t.same(
    first.frames.map(({ type }) => type).filter(type => type !== 'heartbeat'),
    ['connected', 'completed'],
  )
  t.equal(again.status, 204)
})

t.test('nothing follows a terminal event, even one that was published twice', async t => {
  const { redis, database } = await setup(t)
  const { to } = await createTask(database)

  const first = await publishEvent(redis, to, completed)
  const second = await publishEvent(redis, to, { type: 'canceled' })

  t.ok(isTerminal(completed))
  t.same(second, { id: first.id, isNew: false })
})

t.test('a stream is refused without a session, for a foreign task, and for nonsense', async t => {
  const { address, database } = await setup(t)
  const { task, user } = await createTask(database)
  const stranger = await createTestUser(database)
  const rows = [
    [task.id, '', 401, 'UNAUTHORIZED'],
    [task.id, stranger.cookie, 404, 'NOT_FOUND'],
    [newId(), user.cookie, 404, 'NOT_FOUND'],
    ['nonsense', user.cookie, 400, 'INVALID_ID'],
  ] as const

  for (const [taskId, cookie, status, code] of rows) {
    const response = await fetch(`${address}/api/tasks/${taskId}/stream`, { headers: { cookie } })

    t.equal(response.status, status)
    t.match(await response.json(), { error: { code } })
  }
})

t.test('a silent stream beats, and ends when its user signs out', async t => {
  const { address, database, sessions } = await setup(t)
  const { task, user } = await createTask(database)
  const stream = openStream(t, `${address}/api/tasks/${task.id}/stream`, { cookie: user.cookie })
  await stream.until(frames => frames.some(frame => frame.type === 'heartbeat'))

  await sessions.closeAllSessions(user.user.id)
  await stream.ended

  t.notOk(stream.frames.some(({ type }) => type === 'completed'))
})

t.test('one user cannot take all places', async t => {
  const { address, database } = await setup(t, { perUserMax: 2 })
  const { task, user } = await createTask(database)
  const url = `${address}/api/tasks/${task.id}/stream`
  const streams = [1, 2].map(() => openStream(t, url, { cookie: user.cookie }))
  await Promise.all(streams.map(stream => stream.until(frames => frames.length > 0)))

  const refused = await fetch(url, { headers: { cookie: user.cookie } })

  t.equal(refused.status, 429)
  t.ok(refused.headers.get('retry-after'))
})

t.test('streams that went leave no subscription and no place behind', async t => {
  const { address, database, streams, channels } = await setup(t)
  const { task, user } = await createTask(database)
  const url = `${address}/api/tasks/${task.id}/stream`

  for (let round = 0; round < 30; round++) {
    const stream = openStream(t, url, { cookie: user.cookie })
    await stream.until(frames => frames.length > 0)
    stream.cut()
    await stream.ended
  }

  const deadline = Date.now() + 20_000
  while (streams.size + channels.count > 0 && Date.now() < deadline) await new Promise(setImmediate)
  t.equal(streams.size, 0)
  t.equal(channels.count, 0)
})

t.test('events published while the connection to Redis was down are read afterwards', async t => {
  const { address, database, redis, listening } = await setup(t)
  const { task, user, to } = await createTask(database)
  const stream = openStream(t, `${address}/api/tasks/${task.id}/stream`, { cookie: user.cookie })
  await stream.until(frames => frames.length > 0)

  listening.disconnect(true)
  await publishEvent(redis, to, progress(10))
  await stream.until(frames => frames.some(frame => frame.type === 'progress'))

  t.equal(stream.frames.filter(({ type }) => type === 'progress').length, 1)
})
