import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { extname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { replyProblem } from './problem-reply.ts'

export interface WebPagesOptions {
  /** What the build of services/web has written. */
  readonly folder: string
  /** Where pictures come from: the two CDNs. */
  readonly pictureOrigins: readonly string[]
  /** Where files are sent to: the store. */
  readonly uploadOrigins: readonly string[]
}

/** Answers a GET or HEAD for a page of the site or for one of its files. */
export type WebPages = (request: IncomingMessage, response: ServerResponse) => Promise<void>

const mediaTypes: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}
const fileName = /^\/(?:[\w-]+\/)*[\w-]+(?:\.[\w-]+)+$/

/**
 * The web client as the app distribution delivers it on AWS and nginx in Compose: a path without a
 * dot is a page, and every page is index.html; names of assets change with their content, so those
 * are kept for ever and all else is asked for again.
 */
export function openWebPages(options: WebPagesOptions): WebPages {
  const headers = pageHeaders(options)
  return async (request, response) => {
    const path = (request.url ?? '').split('?', 1)[0] ?? ''
    const name = path.includes('.') ? path : '/index.html'
    const file = fileName.test(name) ? join(options.folder, name) : undefined
    const size = file === undefined ? undefined : await sizeOf(file)
    if (file === undefined || size === undefined) return replyProblem(response, 'NOT_FOUND')
    response.writeHead(200, {
      ...headers,
      'content-type': mediaTypes[extname(file)] ?? 'application/octet-stream',
      'content-length': size,
      'cache-control': name.startsWith('/assets/') ? immutable : 'no-cache',
    })
    if (request.method === 'HEAD') response.end()
    // A browser that leaves in the middle needs no rest.
    else await pipeline(createReadStream(file), response).catch(() => response.destroy())
  }
}

const immutable = 'public, max-age=31536000, immutable'

/** The same as in docker/nginx/web.conf and terraform/modules/edge/web.tf; a test compares them. */
function pageHeaders({ pictureOrigins, uploadOrigins }: WebPagesOptions): Record<string, string> {
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `img-src 'self' data: ${pictureOrigins.join(' ')}`,
    `connect-src 'self' ${uploadOrigins.join(' ')}`,
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ]
  return {
    'content-security-policy': policy.join('; '),
    'cross-origin-opener-policy': 'same-origin',
    'permissions-policy': 'camera=(), geolocation=(), microphone=()',
    'referrer-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
  }
}

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    const found = await stat(file)
    return found.isFile() ? found.size : undefined
  } catch {
    // Not there, or not to be read: for a browser that is the same.
    return undefined
  }
}
