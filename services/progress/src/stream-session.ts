import { userOf } from '@funmagic/session/require-user'
import type { Sessions } from '@funmagic/session/session'
import type { Database } from '@funmagic/database/client'
import type { Redis } from '@funmagic/runtime/redis'
import type { FastifyRequest } from 'fastify'
import type { Channels } from './channels.ts'
import type { Events } from './events.ts'
import type { OpenStream, OpenStreams, StreamTransport } from './open-streams.ts'
import type { SafetyPoll } from './safety-poll.ts'

export interface StreamDeps {
  readonly database: Database
  readonly redis: Redis
  readonly sessions: Sessions
  readonly channels: Channels
  readonly streams: OpenStreams
  readonly safetyPoll: SafetyPoll
  readonly sessionCheckMs: number
  readonly events: Events
}

/**
 * Opens a stream for the caller and ends it when the connection goes, or when the session does:
 * a stream outlives its request, so it asks again whether its user is still signed in (P5).
 */
export function openStream(
  deps: StreamDeps,
  wanted: {
    request: FastifyRequest
    lastId: string | undefined
    transport: (onGone: () => void) => StreamTransport
  },
): OpenStream {
  const { request, lastId } = wanted
  const transport = wanted.transport(() => stream.close('gone'))
  const stream = deps.streams.open({ userId: userOf(request).id, lastId, transport })
  const token = request.session?.token ?? ''
  const checkSession = () => {
    deps.sessions.findSession(token).then(
      session => {
        if (session === undefined) stream.close('signed_out')
      },
      // Postgres is away: the next check asks again.
      (error: unknown) => deps.events.failed('session check', error),
    )
  }
  const timer = setInterval(checkSession, deps.sessionCheckMs).unref()
  deps.events.opened()
  stream.onClose(reason => {
    clearInterval(timer)
    deps.events.closed(reason)
  })
  return stream
}
