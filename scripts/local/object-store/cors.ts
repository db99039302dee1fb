import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Reply } from './exchange.ts'
import { S3Error } from './s3-error.ts'

const methods = ['GET', 'HEAD', 'PUT']
const maxAgeSeconds = 3000

/** What a bucket's CORS rules say in production, with the loopback origins in place of ours. */
export function allowOrigin(request: IncomingMessage, response: ServerResponse): void {
  const { origin } = request.headers
  response.setHeader('Vary', 'Origin, Access-Control-Request-Headers')
  if (origin === undefined || !isLoopback(origin)) return
  response.setHeader('Access-Control-Allow-Origin', origin)
  response.setHeader('Access-Control-Expose-Headers', 'ETag, x-amz-request-id')
}

export function answerPreflight(request: IncomingMessage): Reply {
  const { origin } = request.headers
  const method = request.headers['access-control-request-method']
  if (origin === undefined || !isLoopback(origin) || !methods.includes(method ?? '')) {
    throw new S3Error('CORSResponse', 'CORSResponse: This CORS request is not allowed.')
  }
  return {
    status: 200,
    headers: {
      'Access-Control-Allow-Methods': methods.join(', '),
      'Access-Control-Allow-Headers': request.headers['access-control-request-headers'] ?? '',
      'Access-Control-Max-Age': maxAgeSeconds,
    },
  }
}

function isLoopback(origin: string): boolean {
  return /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/.test(origin)
}
