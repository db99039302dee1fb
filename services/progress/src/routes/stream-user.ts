import { problems } from '@funmagic/contract/problem'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import Type from 'typebox'
import { readLastId } from '../event-position.ts'
import { follow } from '../follow.ts'
import { openServerSentEvents } from '../sse-transport.ts'
import { openStream, type StreamDeps } from '../stream-session.ts'
import { newestIdOf, userSource } from '../user-source.ts'

const Headers = Type.Object({
  'last-event-id': Type.Optional(Type.String({ description: 'The id of the last frame received' })),
})

/**
 * GET /api/progress/stream: one stream of all that concerns the signed-in user, tasks and
 * balance (R6). It has no end of its own; after a `reset` read the lists again.
 */
export const streamUser: RoutePlugin<StreamDeps> = async (app, deps) => {
  app.get(
    '/api/progress/stream',
    {
      schema: {
        summary: 'Follow all tasks and the balance by server-sent events',
        headers: Headers,
        response: {
          200: Type.String({ description: 'text/event-stream' }),
          ...problems('UNAUTHORIZED', 'TOO_MANY_STREAMS', 'OVERLOADED'),
        },
      },
    },
    async (request, reply) => {
      const userId = userOf(request).id
      deps.streams.requirePlace(userId)
      const lastId =
        readLastId(request.headers['last-event-id']) ?? (await newestIdOf(deps.redis, userId))
      const transport = (onGone: () => void) => openServerSentEvents(reply, onGone)
      const stream = openStream(deps, { request, lastId, transport })
      stream.send({ type: 'connected', userId })
      const following = await follow(stream, userSource(deps, userId), deps.events)
      if (!following.isLive) stream.close('failed')
    },
  )
}
