import type { FastifyReply } from 'fastify'
import { encodeServerSentEvent } from './frames.ts'
import type { StreamTransport } from './open-streams.ts'

const bufferedBytesMax = 262_144
const reconnectAfterMs = 1_000

/**
 * Takes the reply over and speaks server-sent events on it (HTML standard §9.2). What the
 * socket has not taken yet is bounded: beyond 256 KB `send` says so.
 */
export function openServerSentEvents(reply: FastifyReply, onGone: () => void): StreamTransport {
  reply.hijack()
  const { raw } = reply
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) raw.setHeader(name, value)
  }
  raw.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  })
  raw.write(`retry: ${reconnectAfterMs}\n\n`)
  // A client that left before this line has no close to tell any more.
  if (raw.destroyed) setImmediate(onGone)
  else raw.once('close', onGone)
  return {
    send: frame => {
      raw.write(encodeServerSentEvent(frame))
      return raw.writableLength <= bufferedBytesMax
    },
    close: reason => {
      // A slow reader would never take the rest: it gets no farewell.
      if (reason === 'slow_consumer') raw.destroy()
      else raw.end()
    },
  }
}
