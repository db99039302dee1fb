import { AppError, problems } from '@funmagic/contract/problem'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { userOf } from '@funmagic/session/require-user'
import Type from 'typebox'
import { readLastId } from '../event-position.ts'
import { follow } from '../follow.ts'
import { openStream, type StreamDeps } from '../stream-session.ts'
import { openSocket } from '../socket-transport.ts'
import { newestIdOf, userSource } from '../user-source.ts'

const Query = Type.Object(
  { lastEventId: Type.Optional(Type.String({ maxLength: 64 })) },
  { additionalProperties: false },
)

export interface SocketDeps extends StreamDeps {
  readonly allowedOrigins: readonly string[]
}

/**
 * GET /api/progress/ws: the frames of /api/progress/stream as WebSocket messages `{id, data}`
 * (R6). Browsers cannot set Last-Event-ID here, so it comes as `?lastEventId=`. Nothing is taken
 * from the client.
 */
export const socketUser: RoutePlugin<SocketDeps> = async (app, deps) => {
  app.get(
    '/api/progress/ws',
    {
      websocket: true,
      schema: {
        summary: 'Follow all tasks and the balance by WebSocket',
        querystring: Query,
        response: problems('UNAUTHORIZED', 'CSRF_REJECTED', 'TOO_MANY_STREAMS', 'OVERLOADED'),
      },
      preValidation: async request => {
        // A WebSocket is not bound by CORS: a foreign page would come with the user's cookie.
        const { origin } = request.headers
        const own = `${request.protocol}://${request.host}`
        if (origin !== undefined && origin !== own && !deps.allowedOrigins.includes(origin)) {
          throw new AppError('CSRF_REJECTED')
        }
      },
      preHandler: async request => deps.streams.requirePlace(userOf(request).id),
    },
    async (socket, request) => {
      const userId = userOf(request).id
      const lastId = readLastId(request.query.lastEventId) ?? (await newestIdOf(deps.redis, userId))
      const transport = (onGone: () => void) => openSocket(socket, onGone)
      const stream = openStream(deps, { request, lastId, transport })
      stream.send({ type: 'connected', userId })
      const following = await follow(stream, userSource(deps, userId), deps.events)
      if (!following.isLive) stream.close('failed')
    },
  )
}
