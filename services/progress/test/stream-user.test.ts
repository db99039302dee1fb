import { on, once } from 'node:events'
import { publishBalance, publishEvent } from '@funmagic/task/progress-channel'
import t from 'tap'
import { WebSocket } from 'ws'
import { createTask, openStream, setup } from './progress-app.ts'

const progress = { type: 'progress', progress: 10, message: 'Working' } as const

t.test('one stream carries all tasks and the balance of its user, and of nobody else', async t => {
  const { address, database, redis } = await setup(t)
  const one = await createTask(database)
  const other = await createTask(database, one.user)
  const foreign = await createTask(database)
  const stream = openStream(t, `${address}/api/progress/stream`, { cookie: one.user.cookie })
  await stream.until(frames => frames.length > 0)

  await publishEvent(redis, foreign.to, progress)
  await publishEvent(redis, one.to, progress)
  await publishEvent(redis, other.to, progress)
  await publishBalance(redis, one.user.user.id, { balance: 90, reservedBalance: 10 })
  await stream.until(frames => frames.some(frame => frame.type === 'balance'))

  const events = stream.frames.filter(({ type }) => type !== 'heartbeat' && type !== 'connected')
  t.match(events, [
    { type: 'progress', data: { taskId: one.task.id } },
    { type: 'progress', data: { taskId: other.task.id } },
    { type: 'balance', data: { balance: 90, reservedBalance: 10 } },
  ])
})

t.test('coming back with Last-Event-ID replays what was missed; without it nothing', async t => {
  const { address, database, redis } = await setup(t)
  const { to, user } = await createTask(database)
  const first = await publishEvent(redis, to, progress)
  await publishBalance(redis, user.user.id, { balance: 95, reservedBalance: 5 })
  const userId = await redis.xrange(`stream:user:${user.user.id}`, '-', '+', 'COUNT', 1)
  const lastId = userId[0]?.[0] ?? ''

  const url = `${address}/api/progress/stream`
  const fresh = openStream(t, url, { cookie: user.cookie })
  await fresh.until(frames => frames.length > 0)
  const resumed = openStream(t, url, { cookie: user.cookie, 'last-event-id': lastId })
  await resumed.until(frames => frames.some(({ type }) => type === 'balance'))
  await publishEvent(redis, to, progress)
  await fresh.until(frames => frames.some(({ type }) => type === 'progress'))

  t.ok(first.isNew)
  t.notOk(fresh.frames.some(({ type }) => type === 'balance'))
})

t.test('a WebSocket carries the same frames', async t => {
  const { address, database, redis } = await setup(t)
  const { to, task, user } = await createTask(database)
  const url = `${address.replace('http', 'ws')}/api/progress/ws`
  const socket = new WebSocket(url, { headers: { cookie: user.cookie } })
  t.teardown(() => socket.terminate())
  const messages = on(socket, 'message', { signal: AbortSignal.timeout(20_000) })
  const readFrame = async () => JSON.parse(String((await messages.next()).value?.[0]))
  const connected = await readFrame()

  await publishEvent(redis, to, progress)
  let frame = await readFrame()
  while (frame.data.type === 'heartbeat') frame = await readFrame()

  t.match(connected, { data: { type: 'connected', userId: user.user.id } })
  t.match(frame, { data: { type: 'progress', taskId: task.id } })
})

t.test('a WebSocket is refused without a session and to a foreign page', async t => {
  const { address, database } = await setup(t)
  const { user } = await createTask(database)
  const url = `${address.replace('http', 'ws')}/api/progress/ws`
  const rows = [
    [{}, 401],
    [{ cookie: user.cookie, origin: 'https://evil.test' }, 403],
  ] as const

  for (const [headers, status] of rows) {
    const socket = new WebSocket(url, { headers })
    const [, response] = await once(socket, 'unexpected-response')

    t.equal(response.statusCode, status)
  }
})

t.test('a client that talks on the socket is shown out', async t => {
  const { address, database } = await setup(t)
  const { user } = await createTask(database)
  const url = `${address.replace('http', 'ws')}/api/progress/ws`
  const socket = new WebSocket(url, { headers: { cookie: user.cookie } })
  await once(socket, 'message')

  socket.send('hello')

  const [code] = await once(socket, 'close')
  t.equal(code, 1008)
})

t.test('closing the service ends open streams instead of waiting for them', async t => {
  const { address, app, database } = await setup(t)
  const { user } = await createTask(database)
  const stream = openStream(t, `${address}/api/progress/stream`, { cookie: user.cookie })
  await stream.until(frames => frames.length > 0)

  await app.close()
  await stream.ended

  t.pass('closed')
})
