import type { ServerResponse } from 'node:http'
import type { TaskView } from '@funmagic/contract/task'
import t, { type Test } from 'tap'
import { followTask, type TaskFrame } from '../src/tasks/follow-task.ts'
import { reply, startPlatform } from './fake-platform.ts'

// Short pauses; whatever waits longer than the file may take never happens.
const pauses = { firstMs: 5, mostMs: 20, silenceMs: 30_000 }

/** Follows a task of a platform that says of it, and streams, what the test wants. */
async function setup(
  t: Test,
  platform: { task: () => object; stream: (response: ServerResponse, after: string) => void },
) {
  const requests = await startPlatform(t, (request, response) => {
    if (!request.url?.endsWith('/stream')) return reply(response, 200, { task: platform.task() })
    platform.stream(response, String(request.headers['last-event-id'] ?? ''))
  })
  const frames: TaskFrame[] = []
  const tasks: TaskView[] = []
  const leaving = new AbortController()
  const follow = (silenceMs = pauses.silenceMs) =>
    followTask('t1', {
      onFrame: frame => frames.push(frame),
      onTask: task => tasks.push(task),
      signal: leaving.signal,
      pauses: { ...pauses, silenceMs },
    })
  return { requests, frames, tasks, leaving, follow }
}

function send(response: ServerResponse, id: string, data: object): void {
  if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(`id: ${id}\ndata: ${JSON.stringify(data)}\n\n`)
}

t.test('a stream that breaks off goes on after its last event, to the end of the task', async t => {
  let status = 'processing'
  const { requests, frames, tasks, follow } = await setup(t, {
    task: () => ({ status, progress: 0 }),
    stream: (response, after) => {
      const n = Number(after.split('-')[1] ?? 0) + 1
      const isLast = n === 4
      if (isLast) status = 'completed'
      const event = isLast ? { type: 'completed' } : { type: 'progress', progress: n * 25 }
      send(response, `1-${n}`, event)
      // The line breaks rather than ends.
      setImmediate(() => response.destroy())
    },
  })

  await follow()

  t.same(
    frames.map(frame => ('progress' in frame ? frame.progress : frame.type)),
    [25, 50, 75, 'completed'],
  )
  t.equal(tasks.at(-1)?.status, 'completed')
  const streams = requests.filter(({ url }) => url === '/api/tasks/t1/stream')
  t.same(
    streams.map(({ headers }) => headers['last-event-id']),
    [undefined, '1-1', '1-2', '1-3'],
  )
})

t.test('where no stream gets through, the task itself tells its progress and its end', async t => {
  let progress = 0
  const { frames, tasks, follow } = await setup(t, {
    task: () => {
      progress += 25
      return { status: progress >= 100 ? 'completed' : 'processing', progress }
    },
    stream: response => reply(response, 429, { error: { code: 'TOO_MANY_STREAMS', message: '' } }),
  })

  await follow()

  t.same(frames, [])
  t.same(
    tasks.map(task => task.progress),
    [25, 50, 75, 100],
  )
})

t.test('a stream that falls silent is given up', async t => {
  let streams = 0
  const { follow, tasks } = await setup(t, {
    task: () => ({ status: streams > 1 ? 'failed' : 'pending', progress: 0 }),
    stream: response => {
      streams++
      send(response, '1-0', { type: 'heartbeat' })
    },
  })

  await follow(50)

  t.equal(streams, 2)
  t.equal(tasks.at(-1)?.status, 'failed')
})

t.test('a task that is not there, or a session that is over, is no use to ask again', async t => {
  const { follow } = await setup(t, { task: () => ({}), stream: response => response.end() })
  await startPlatform(t, (_request, response) =>
    reply(response, 404, { error: { code: 'NOT_FOUND', message: '', details: null } }),
  )

  await t.rejects(follow(), { code: 'NOT_FOUND' })
})

t.test('a page that is left follows no more', async t => {
  const { leaving, follow, frames } = await setup(t, {
    task: () => ({ status: 'processing', progress: 0 }),
    stream: response => {
      send(response, '1-1', { type: 'progress', progress: 10 })
      setImmediate(() => leaving.abort())
    },
  })

  await follow()

  t.ok(frames.length <= 1)
  t.ok(leaving.signal.aborted)
})
