import type { TaskId } from '@funmagic/contract/ids'
import { publishEvent } from '@funmagic/task/progress-channel'
import t from 'tap'
import { readWait } from '../src/task-waits.ts'
import { addUser, openGateway, post, until } from './gateway-app.ts'
import { complete } from './rows.ts'

const gateway = await openGateway(t)
const { app, database, redis, waits } = gateway
const order = { toolSlug: 'painter', input: { prompt: 'a cat' } }

function submitWaiting(cookie: string, prefer: string) {
  const headers = { cookie, prefer, 'content-type': 'application/json' }
  const payload = JSON.stringify(order)
  return app.inject({ method: 'POST', url: '/api/tasks', headers, payload })
}

async function taskOf(userId: string): Promise<TaskId> {
  const row = await database.prisma.task.findFirstOrThrow({ where: { userId } })
  return row.id
}

/** What the worker does: it commits, and tells. */
async function finish(userId: string): Promise<void> {
  const taskId = await taskOf(userId)
  const assetId = await complete(database, taskId)
  await publishEvent(redis, { taskId, userId }, { type: 'completed', output: { assetIds: [] } })
  t.ok(assetId)
}

t.test('a submission that prefers to wait is answered with the finished task', async t => {
  const { cookie, user } = await addUser(gateway)

  const answering = submitWaiting(cookie, 'respond-async, wait=40')
  await until(() => waits.count === 1)
  await finish(user.id)
  const response = await answering

  t.equal(response.statusCode, 201)
  t.equal(response.headers['preference-applied'], 'wait=40')
  t.match(response.json().task, { status: 'completed', output: { assets: [{}] } })
  t.equal(waits.count, 0)
})

t.test('when the time is over it is answered with the task as it is', async t => {
  const { cookie } = await addUser(gateway)

  const response = await submitWaiting(cookie, 'wait=1')

  t.equal(response.statusCode, 201)
  t.equal(response.headers['preference-applied'], 'wait=1')
  t.equal(response.json().task.status, 'pending')
})

t.test('nothing that was lost on the way keeps it waiting after a reconnection', async t => {
  const { cookie, user } = await addUser(gateway)
  const answering = submitWaiting(cookie, 'wait=40')
  await until(() => waits.count === 1)
  await complete(database, await taskOf(user.id))

  // As the subscriber does when its connection is back.
  await until(async () => {
    await waits.lookAgain()
    return waits.count === 0
  })

  t.equal((await answering).json().task.status, 'completed')
})

t.test('a client that goes away frees its place, and one too many is answered at once', async t => {
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  const { cookie } = await addUser(gateway)
  const leaving = new AbortController()
  const send = (signal?: AbortSignal) =>
    fetch(`${address}/api/tasks`, {
      method: 'POST',
      headers: { cookie, prefer: 'wait=45', 'content-type': 'application/json' },
      body: JSON.stringify(order),
      ...(signal === undefined ? {} : { signal }),
    })
  const gone = [1, 2, 3].map(() => t.rejects(send(leaving.signal), { name: 'AbortError' }))
  await until(() => waits.count === 3)

  const fourth = await send()
  leaving.abort()
  await Promise.all(gone)

  t.equal(fourth.status, 201)
  t.equal(fourth.headers.get('preference-applied'), null, 'it was told that nobody waited')
  await until(() => waits.count === 0)
})

t.test('a wait that began before SIGTERM is answered, and none begins after', async t => {
  const { cookie } = await addUser(gateway)
  const answering = submitWaiting(cookie, 'wait=40')
  await until(() => waits.count === 1)

  await waits.close()

  t.equal((await answering).json().task.status, 'pending')
  const late = await submitWaiting(cookie, 'wait=40')
  t.equal(late.statusCode, 201)
  t.equal(late.headers['preference-applied'], undefined)
})

t.test('a preference that cannot be understood is ignored', async t => {
  const headers: [string | string[] | undefined, number][] = [
    [undefined, 0],
    ['', 0],
    ['wait', 0],
    ['wait=', 0],
    ['wait=-1', 0],
    ['wait=1.5', 0],
    ['wait=1e3', 0],
    ['wait=99999999999', 0],
    ['await=5', 0],
    ['x'.repeat(100_000), 0],
    ['wait=5', 5],
    ['Wait = "5"', 5],
    ['return=minimal, wait=7; x=y', 7],
    [['return=minimal', 'wait=8'], 8],
    ['wait=9, wait=10', 9],
  ]
  for (const [header, seconds] of headers) t.equal(readWait(header), seconds, String(header))
  const { cookie } = await addUser(gateway)
  t.equal((await post(gateway, '/api/tasks', { cookie, body: order })).statusCode, 201)
})
