import type { WebSocket } from '@fastify/websocket'
import type { CloseReason, StreamTransport } from './open-streams.ts'

const bufferedBytesMax = 262_144

/** Close codes of RFC 6455 §7.4.1, and 4001 of our own for a session that has ended. */
const closeCodes: Readonly<Record<CloseReason, number>> = {
  finished: 1000,
  gone: 1000,
  slow_consumer: 1008,
  signed_out: 4001,
  shutting_down: 1001,
  failed: 1013,
}

/** Sends frames as JSON messages; an incoming message is a fault of the client. */
export function openSocket(socket: WebSocket, onGone: () => void): StreamTransport {
  // A client that left before this line has no close to tell any more.
  if (socket.readyState !== socket.OPEN) setImmediate(onGone)
  socket.once('close', onGone)
  socket.once('error', onGone)
  socket.once('message', () => socket.close(1008, 'this socket only sends'))
  return {
    send: frame => {
      socket.send(JSON.stringify(frame))
      return socket.bufferedAmount <= bufferedBytesMax
    },
    close: reason => {
      if (reason === 'slow_consumer') socket.terminate()
      else socket.close(closeCodes[reason], reason)
    },
  }
}
