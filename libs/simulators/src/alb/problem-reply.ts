import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/** What the edge itself answers when no service can; the platform's own form of error body. */
const edgeProblems = {
  BAD_REQUEST: { status: 400, message: 'The request cannot be understood.' },
  NOT_FOUND: { status: 404, message: 'There is no such thing here.' },
  REQUEST_TIMEOUT: { status: 408, message: 'The request did not arrive in time.' },
  URI_TOO_LONG: { status: 414, message: 'The address is longer than allowed.' },
  BAD_GATEWAY: { status: 502, message: 'The service closed the connection without an answer.' },
  SERVICE_UNAVAILABLE: { status: 503, message: 'No copy of the service is running.' },
  GATEWAY_TIMEOUT: { status: 504, message: 'The service did not answer in time.' },
} as const

export type EdgeProblem = keyof typeof edgeProblems

/** Answers with the problem, or cuts the connection when a reply has already begun. */
export function replyProblem(
  response: ServerResponse,
  code: EdgeProblem,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  const { status, requestId, body } = describe(code)
  response.writeHead(status, {
    ...headers,
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'x-request-id': requestId,
    // A body that is still under way would be taken for the next request.
    ...(response.req.complete ? {} : { connection: 'close' }),
  })
  response.end(response.req.method === 'HEAD' ? undefined : body)
}

/** The same answer on a bare socket, where no request could be parsed or an upgrade failed. */
export function writeProblem(socket: Duplex, code: EdgeProblem): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const { status, requestId, body } = describe(code)
  socket.end(
    `HTTP/1.1 ${status} ${code}\r\n` +
      'content-type: application/json; charset=utf-8\r\n' +
      `content-length: ${Buffer.byteLength(body)}\r\n` +
      `x-request-id: ${requestId}\r\n` +
      `connection: close\r\n\r\n${body}`,
  )
}

function describe(code: EdgeProblem): { status: number; requestId: string; body: string } {
  const { status, message } = edgeProblems[code]
  const requestId = randomUUID()
  const timestamp = new Date().toISOString()
  const body = JSON.stringify({ error: { code, message, details: null, requestId, timestamp } })
  return { status, requestId, body }
}
