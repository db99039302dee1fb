import { Id } from '@funmagic/contract/ids'
import { AppError, problems } from '@funmagic/contract/problem'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import { findTask, type Task } from '@funmagic/task/tasks'
import Type from 'typebox'
import { readLastId } from '../event-position.ts'
import { follow } from '../follow.ts'
import { snapshotOf, terminalEventOf, terminalIdOf } from '../frames.ts'
import type { OpenStream } from '../open-streams.ts'
import { openServerSentEvents } from '../sse-transport.ts'
import { openStream, type StreamDeps } from '../stream-session.ts'
import { taskSource } from '../task-source.ts'

const Params = Type.Object({ taskId: Id })
const Headers = Type.Object({
  'last-event-id': Type.Optional(Type.String({ description: 'The id of the last frame received' })),
})

/**
 * GET /api/tasks/:taskId/stream: a snapshot, every event after Last-Event-ID, one terminal event,
 * and the end (R2, R3; P1, P2, P7). Coming back after the end answers 204, which tells an
 * EventSource to stay away (HTML standard §9.2).
 */
export const streamTask: RoutePlugin<StreamDeps> = async (app, deps) => {
  app.get(
    '/api/tasks/:taskId/stream',
    {
      schema: {
        summary: 'Follow a task by server-sent events',
        params: Params,
        headers: Headers,
        response: {
          200: Type.String({ description: 'text/event-stream' }),
          204: Type.Null({ description: 'The terminal event was received already' }),
          ...problems('UNAUTHORIZED', 'INVALID_ID', 'NOT_FOUND', 'TOO_MANY_STREAMS', 'OVERLOADED'),
        },
      },
    },
    async (request, reply) => {
      const wanted = { userId: userOf(request).id, taskId: request.params.taskId }
      const task = await findTask(deps.database, wanted)
      if (task === undefined) throw new AppError('NOT_FOUND')
      const lastId = readLastId(request.headers['last-event-id'])
      const source = taskSource(deps, wanted)
      if (await hasSeenTheEnd(task, lastId, source)) return reply.code(204).send(null)
      deps.streams.requirePlace(wanted.userId)

      const transport = (onGone: () => void) => openServerSentEvents(reply, onGone)
      const stream = openStream(deps, { request, lastId, transport })
      stream.send({ type: 'connected', ...snapshotOf(task) })
      stream.onClose(deps.safetyPoll.watch(task.id, finished => endFrom(stream, finished)))
      const following = await follow(stream, source, deps.events)
      const current = await findTask(deps.database, wanted)
      if (current !== undefined && (!following.isLive || hasSettled(current))) {
        endFrom(stream, current)
      }
      if (!following.isLive) stream.close('failed')
    },
  )
}

// A task's last events are published right after its commit: for this long they are awaited.
const publishGraceMs = 2_000

function hasSettled(task: Task): boolean {
  return task.finishedAt !== null && Date.now() - task.finishedAt.getTime() > publishGraceMs
}

/** Tells the end from the row, for a stream whose terminal event is lost or has expired. */
function endFrom(stream: OpenStream, task: Task): void {
  const event = terminalEventOf(task)
  if (event === undefined) return
  stream.send(event, terminalIdOf(task))
  stream.close('finished')
}

/** True when the last id that the client has is that of the terminal event. */
async function hasSeenTheEnd(
  task: Task,
  lastId: string | undefined,
  source: ReturnType<typeof taskSource>,
): Promise<boolean> {
  if (lastId === undefined || task.finishedAt === null) return false
  if (lastId === terminalIdOf(task)) return true
  const replay = await source.read(lastId)
  return !replay.gap && replay.events.length === 0 && replay.lastId === lastId
}
