import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { addServedBy, requestHeaders, responseHeaders } from './headers.ts'
import { type EdgeProblem, replyProblem } from './problem-reply.ts'
import { type NotConnected, prepare, type TargetGroup } from './target-group.ts'

interface Forward {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly targets: TargetGroup
  readonly group: string
  readonly port: number
  readonly idleTimeoutMs: number
}

class IdleTimeout extends Error {}

/**
 * Passes one request to a copy of its service and the reply back, both as they come: nothing is
 * buffered, so server-sent events flow. Once a byte has been sent nothing is tried again, but
 * for a request without a body and without effect that met a kept connection just being closed.
 */
export async function forward(exchange: Forward): Promise<void> {
  const { request, response } = exchange
  const isRepeatable = isSafe(request) && !hasBody(request)
  const attemptsMax = isRepeatable ? 2 : 1
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const opened = await openFor(exchange, { isFresh: attempt > 1 })
    if (opened.kind !== 'connected') {
      refuse(exchange, problemOf(opened))
      return
    }
    const upstream = opened.request
    const wasKept = upstream.reusedSocket
    const reply = await exchangeHeaders(exchange, upstream)
    if (reply === 'cut-off' && wasKept && attempt < attemptsMax) continue
    if (typeof reply === 'string') refuse(exchange, problemOfReply(reply, request))
    else await relayReply(exchange, upstream, reply)
    return
  }
  if (!response.headersSent) refuse(exchange, 'BAD_GATEWAY')
}

async function openFor(exchange: Forward, { isFresh }: { isFresh: boolean }) {
  const { request, response, targets } = exchange
  const gone = new AbortController()
  const onClose = () => gone.abort()
  response.once('close', onClose)
  const opened = await targets.open((target, agent) => {
    const forwarding = { port: exchange.port, targetHost: target.host, isUpgrade: false }
    return prepare(target, {
      method: request.method ?? 'GET',
      path: request.url ?? '/',
      headers: requestHeaders(request, forwarding),
      // Where one kept connection was just being closed, the others may be, too.
      agent: isFresh ? false : agent,
    })
  }, gone.signal)
  response.off('close', onClose)
  return opened
}

type NoReply = 'cut-off' | 'idle' | 'client-gone'

/** Sends the request and waits for the head of the reply. */
async function exchangeHeaders(
  exchange: Forward,
  upstream: ClientRequest,
): Promise<IncomingMessage | NoReply> {
  const { request, response } = exchange
  const { promise, resolve } = Promise.withResolvers<IncomingMessage | NoReply>()
  upstream.setTimeout(exchange.idleTimeoutMs, () => upstream.destroy(new IdleTimeout()))
  upstream.once('response', resolve)
  upstream.on('error', error => resolve(error instanceof IdleTimeout ? 'idle' : 'cut-off'))
  response.once('close', () => {
    upstream.destroy()
    resolve('client-gone')
  })
  if (response.destroyed) return 'client-gone'
  if (upstream.destroyed) return 'cut-off'
  if (hasBody(request)) request.pipe(upstream)
  else upstream.end()
  return promise
}

async function relayReply(
  exchange: Forward,
  upstream: ClientRequest,
  reply: IncomingMessage,
): Promise<void> {
  const { response } = exchange
  const head = addServedBy(responseHeaders(reply), exchange.group)
  response.writeHead(reply.statusCode ?? 502, reply.statusMessage, head)
  response.flushHeaders()
  try {
    await pipeline(reply, response)
  } catch {
    // The target or the client went away in mid-reply. The status line is out, so all that is
    // left is to cut the connection, which tells the client that the body is not complete.
    response.destroy()
    upstream.destroy()
  }
}

function refuse(exchange: Forward, problem: EdgeProblem): void {
  exchange.request.unpipe()
  if (exchange.response.destroyed) return
  replyProblem(exchange.response, problem, { 'x-served-by': exchange.group })
}

export function problemOf(failure: NotConnected): EdgeProblem {
  switch (failure.kind) {
    case 'empty':
      return 'SERVICE_UNAVAILABLE'
    case 'refused':
      return 'BAD_GATEWAY'
    case 'timed-out':
      return 'GATEWAY_TIMEOUT'
  }
}

function problemOfReply(reply: NoReply, request: IncomingMessage): EdgeProblem {
  if (reply !== 'idle') return 'BAD_GATEWAY'
  return request.complete ? 'GATEWAY_TIMEOUT' : 'REQUEST_TIMEOUT'
}

function isSafe(request: IncomingMessage): boolean {
  return request.method === 'GET' || request.method === 'HEAD' || request.method === 'OPTIONS'
}

function hasBody(request: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
  return encoding !== undefined || (length !== undefined && length !== '0')
}
