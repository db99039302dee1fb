import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** RFC 9110 §7.6.1: meant for one connection and never passed on. */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Replaced by what the balancer itself knows, or answered by it. */
const rewritten = new Set(['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-port', 'expect'])

/** With drop_invalid_header_fields an ALB removes names outside this alphabet. */
const validName = /^[A-Za-z0-9-]+$/

interface Forwarding {
  readonly port: number
  readonly targetHost: string
  readonly isUpgrade: boolean
}

/**
 * The header lines a target receives, as a flat list so that order, case and repeats survive.
 * X-Forwarded-For is appended to (xff_header_processing.mode = append), proto and port are set.
 */
export function requestHeaders(request: IncomingMessage, forwarding: Forwarding): string[] {
  const lines: string[] = []
  const perConnection = namedByConnection(request)
  let hasHost = false
  for (const [name, value] of pairsOf(request.rawHeaders)) {
    const key = name.toLowerCase()
    if (!validName.test(name) || rewritten.has(key)) continue
    if (hopByHop.has(key) || perConnection.has(key)) continue
    hasHost ||= key === 'host'
    lines.push(name, value)
  }
  if (!hasHost) lines.push('Host', forwarding.targetHost)
  const seenBefore = request.headersDistinct['x-forwarded-for'] ?? []
  const client = clientAddress(request)
  lines.push('X-Forwarded-For', [...seenBefore, client].join(', '))
  lines.push('X-Forwarded-Proto', 'http', 'X-Forwarded-Port', String(forwarding.port))
  if (request.headers['x-amzn-trace-id'] === undefined) lines.push('X-Amzn-Trace-Id', traceId())
  if (request.headers['transfer-encoding'] !== undefined) lines.push('Transfer-Encoding', 'chunked')
  if (forwarding.isUpgrade) {
    lines.push('Connection', 'Upgrade', 'Upgrade', request.headers.upgrade ?? 'websocket')
  }
  return lines
}

/** The header lines a client receives from a target's reply. */
export function responseHeaders(response: IncomingMessage, isUpgrade = false): string[] {
  const lines: string[] = []
  const perConnection = namedByConnection(response)
  for (const [name, value] of pairsOf(response.rawHeaders)) {
    const key = name.toLowerCase()
    const isKept = !hopByHop.has(key) && !perConnection.has(key)
    const isHandshake = isUpgrade && (key === 'connection' || key === 'upgrade')
    if (isKept || isHandshake) lines.push(name, value)
  }
  return lines
}

/**
 * Adds who served, unless the target has said so itself: services do where SERVED_BY is set, as on
 * AWS, whose load balancer says nothing.
 */
export function addServedBy(lines: string[], group: string): string[] {
  const isSaid = lines.some((line, at) => at % 2 === 0 && line.toLowerCase() === 'x-served-by')
  return isSaid ? lines : [...lines, 'X-Served-By', group]
}

function clientAddress(request: IncomingMessage): string {
  return (request.socket.remoteAddress ?? 'unknown').replace(/^::ffff:/, '')
}

function namedByConnection(message: IncomingMessage): Set<string> {
  const names = (message.headers.connection ?? '').split(',').map(name => name.trim().toLowerCase())
  return new Set(names)
}

function* pairsOf(rawHeaders: readonly string[]): Generator<[string, string]> {
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    yield [rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '']
  }
}

function traceId(): string {
  const seconds = Math.floor(Date.now() / 1000).toString(16)
  return `Root=1-${seconds.padStart(8, '0')}-${randomBytes(12).toString('hex')}`
}
