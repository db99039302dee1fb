import { createHash } from 'node:crypto'

interface Asked {
  readonly headers: { readonly 'if-none-match'?: string | undefined }
}

interface Reply {
  readonly statusCode: number
  code(status: number): unknown
  header(name: string, value: string): unknown
  removeHeader(name: string): unknown
}

/**
 * An onSend hook for replies that are the same for everybody: caches may keep them and must ask
 * each time, so that what is unpublished is gone at once. Who has the reply already is told 304.
 */
export async function tagReply(request: Asked, reply: Reply, payload: unknown): Promise<unknown> {
  if (reply.statusCode !== 200 || typeof payload !== 'string') {
    reply.header('cache-control', 'no-store')
    return payload
  }
  const tag = `"${createHash('sha256').update(payload).digest('base64url').slice(0, 27)}"`
  reply.header('etag', tag)
  reply.header('cache-control', 'public, no-cache')
  if (!isKnown(tag, request.headers['if-none-match'])) return payload
  reply.code(304)
  reply.removeHeader('content-length')
  return ''
}

function isKnown(tag: string, header = ''): boolean {
  const tags = header.split(',').map(text => text.trim().replace(/^W\//, ''))
  return tags.includes('*') || tags.includes(tag)
}
