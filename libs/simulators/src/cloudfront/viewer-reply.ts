import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Stored } from './edge-cache.ts'

export type CacheResult = 'Hit' | 'Miss' | 'RefreshHit' | 'Error'

/** The response headers policy of both distributions: no script in user content, open to read. */
const policyHeaders = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'ETag, Content-Length, Content-Range, Age, X-Cache',
  'content-security-policy': "sandbox; default-src 'none'",
  'x-content-type-options': 'nosniff',
} as const

/** The header lines that CloudFront puts on every reply. */
export function edgeHeaders(result: CacheResult): Record<string, string> {
  return {
    ...policyHeaders,
    'x-cache': `${result} from cloudfront`,
    via: '1.1 simulator.cloudfront.net (CloudFront)',
    'x-amz-cf-pop': 'SIM50-C1',
    'x-amz-cf-id': randomBytes(42).toString('base64url'),
  }
}

/** Answers the viewer out of a whole reply: conditions first, then ranges (RFC 9110 §13, §14). */
export function replyToViewer(
  request: IncomingMessage,
  response: ServerResponse,
  from: { reply: Stored; result: CacheResult; ageSeconds?: number },
): void {
  const { reply } = from
  const headers: Record<string, string> = { ...reply.headers, ...edgeHeaders(from.result) }
  if (from.ageSeconds !== undefined) headers['age'] = String(from.ageSeconds)
  const send = (status: number, body: Buffer) => {
    headers['content-length'] = String(body.length)
    response.writeHead(status, headers)
    response.end(request.method === 'HEAD' ? undefined : body)
  }
  if (reply.status !== 200) return send(reply.status, reply.body)
  if (isUnchanged(request, reply)) {
    delete headers['content-length']
    response.writeHead(304, headers).end()
    return
  }
  const range = rangeOf(request, reply)
  if (range === undefined) return send(200, reply.body)
  if (range === 'unsatisfiable') {
    headers['content-range'] = `bytes */${reply.body.length}`
    return send(416, Buffer.alloc(0))
  }
  headers['content-range'] = `bytes ${range.first}-${range.last}/${reply.body.length}`
  send(206, reply.body.subarray(range.first, range.last + 1))
}

function isUnchanged(request: IncomingMessage, reply: Stored): boolean {
  const { 'if-none-match': known, 'if-modified-since': since } = request.headers
  const etag = reply.headers['etag']
  if (known !== undefined) {
    const tags = known.split(',').map(tag => tag.trim().replace(/^W\//, ''))
    return tags.includes('*') || (etag !== undefined && tags.includes(etag.replace(/^W\//, '')))
  }
  const modified = Date.parse(reply.headers['last-modified'] ?? '')
  return since !== undefined && modified <= Date.parse(since)
}

/** One range is served, several at once are answered with the whole, as RFC 9110 permits. */
function rangeOf(
  request: IncomingMessage,
  reply: Stored,
): { first: number; last: number } | 'unsatisfiable' | undefined {
  const condition = request.headers['if-range']
  const isCurrent =
    condition === undefined ||
    condition === reply.headers['etag'] ||
    condition === reply.headers['last-modified']
  const parts = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '')
  if (parts === null || !isCurrent) return undefined
  const [, from = '', to = ''] = parts
  if (from === '' && to === '') return undefined
  const size = reply.body.length
  const first = from === '' ? Math.max(size - Number(to), 0) : Number(from)
  const last = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1)
  if (from !== '' && to !== '' && Number(to) < Number(from)) return undefined
  return first < size && first <= last ? { first, last } : 'unsatisfiable'
}
