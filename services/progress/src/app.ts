import websocket from '@fastify/websocket'
import { createServer, type HttpServer, type ServerOptions } from '@funmagic/runtime/http-server'
import type { SessionCookie } from '@funmagic/session/cookie'
import { registerRateLimits } from '@funmagic/session/limit-requests'
import type { RateLimits } from '@funmagic/session/rate-limits'
import { registerSession, requireSession } from '@funmagic/session/require-user'
import { socketUser } from './routes/socket-user.ts'
import { streamTask } from './routes/stream-task.ts'
import { streamUser } from './routes/stream-user.ts'
import type { StreamDeps } from './stream-session.ts'

export interface ProgressDeps {
  readonly server: Omit<ServerOptions, 'service' | 'title' | 'description'>
  readonly cookie: SessionCookie
  readonly limits: RateLimits
  readonly streaming: StreamDeps
}

const messageBytesMax = 1_024

export async function buildApp(deps: ProgressDeps): Promise<HttpServer> {
  const { server, cookie, limits, streaming } = deps
  const httpServer = await createServer({
    ...server,
    service: 'progress',
    title: 'FunMagic progress',
    description: 'Live progress of tasks',
  })
  const { app } = httpServer
  await app.register(websocket, { options: { maxPayload: messageBytesMax } })
  await app.register(registerSession, { sessions: streaming.sessions, cookie })
  await app.register(registerRateLimits, { limits })
  // Streams never end by themselves, so closing must end them first.
  app.addHook('preClose', async () => streaming.streams.closeAll())

  await app.register(async readers => {
    readers.addHook('preValidation', requireSession)
    await readers.register(streamTask, streaming)
    await readers.register(streamUser, streaming)
    const { allowedOrigins } = server.http
    await readers.register(socketUser, { ...streaming, allowedOrigins })
  })
  return httpServer
}
