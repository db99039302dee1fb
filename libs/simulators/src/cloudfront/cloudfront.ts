import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { closeServer, listen, type ListenOptions, type Log, portOf } from '../listening.ts'
import { type CacheEntry, EdgeCache, freshSecondsOf, type Stored } from './edge-cache.ts'
import {
  corsForbidden,
  requestNotSatisfied,
  s3AccessDenied,
  signatureRefused,
} from './error-bodies.ts'
import { Invalidations } from './invalidations.ts'
import { objectKeyOf } from './object-key.ts'
import { Origin, type OriginOptions, type OriginReply } from './origin.ts'
import {
  type KeyGroup,
  openKeyGroup,
  type Refusal,
  refusalOf,
  type TrustedKey,
} from './signed-url.ts'
import { type CacheResult, edgeHeaders, replyToViewer } from './viewer-reply.ts'

export interface CloudFrontOptions extends ListenOptions {
  /** The id under which the control API knows the distribution, such as E1PUBLICASSETS. */
  readonly distributionId: string
  readonly origin: OriginOptions
  /** Only keys that begin like this are delivered, such as public/ . */
  readonly prefix: string
  /** The trusted key group. With one, even an empty one, only signed URLs are answered. */
  readonly trustedKeys?: readonly TrustedKey[]
  /** Other hosts (with port) under which viewers come here, as the alternate domain names. */
  readonly aliases?: readonly string[]
  /** Milliseconds since 1970, for expiry and for ages. */
  readonly now?: () => number
  readonly defaultTtlSeconds?: number
  /** The error caching minimum TTL of all statuses, or of some by their number. */
  readonly errorTtlSeconds?: number
  readonly errorTtlSecondsByStatus?: Readonly<Record<number, number>>
  readonly invalidationDelayMs?: number
  readonly cacheBytesMax?: number
  readonly objectBytesMax?: number
  readonly drainMs?: number
  readonly log?: Log
}

/** One distribution; its url is also the endpoint of the control API for this distribution. */
export interface CloudFront extends AsyncDisposable {
  readonly url: string
  readonly distributionId: string
  /** Puts other keys into the trusted group, as a rotation does; the others are retired. */
  trustKeys(keys: readonly TrustedKey[]): void
}

const defaults = {
  now: Date.now,
  defaultTtlSeconds: 86_400,
  errorTtlSeconds: 10,
  invalidationDelayMs: 0,
  cacheBytesMax: 128 * 1024 * 1024,
  objectBytesMax: 16 * 1024 * 1024,
  drainMs: 500,
}
const maxTtlSeconds = 31_536_000

/** Starts a distribution that refuses, caches and forgets as CloudFront in front of S3 does. */
export async function startCloudFront(options: CloudFrontOptions): Promise<CloudFront> {
  const distribution = new Distribution(options)
  const url = await listen(distribution.server, options)
  return {
    url,
    distributionId: options.distributionId,
    trustKeys: keys => distribution.trustKeys(keys),
    [Symbol.asyncDispose]: () => distribution[Symbol.asyncDispose](),
  }
}

interface ViewerUrl {
  /** Scheme, host and path as they were sent. */
  readonly base: string
  readonly query: string
}

interface Lookup {
  readonly reply: Stored
  readonly result: CacheResult
  readonly ageSeconds?: number
}

/** A read of the origin under way; whoever asks for the same key meanwhile shares it. */
interface Pending {
  readonly reply: Promise<OriginReply>
  /** Set when an invalidation comes in between: then the reply is not kept. */
  isPurged: boolean
}

class Distribution {
  readonly server: Server
  readonly #options: CloudFrontOptions & typeof defaults
  readonly #log: Log
  #keys: KeyGroup | undefined
  readonly #origin: Origin
  readonly #cache: EdgeCache
  readonly #pending = new Map<string, Pending>()
  readonly #invalidations: Invalidations

  constructor(options: CloudFrontOptions) {
    this.#options = { ...defaults, ...options }
    this.#log = options.log ?? (() => undefined)
    this.#keys = options.trustedKeys && openKeyGroup(options.trustedKeys)
    this.#origin = new Origin(options.origin, this.#options.objectBytesMax)
    this.#cache = new EdgeCache(this.#options.cacheBytesMax)
    this.#invalidations = new Invalidations({
      distributionId: options.distributionId,
      delayMs: this.#options.invalidationDelayMs,
      purge: matches => this.#purge(matches),
    })
    this.server = createServer((request, response) => {
      this.#handle(request, response).catch((error: unknown) => {
        this.#log({ event: 'cloudfront.bug', error: String(error) })
        response.destroy()
      })
    })
  }

  trustKeys(keys: readonly TrustedKey[]): void {
    this.#keys = openKeyGroup(keys)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#invalidations.close()
    await closeServer(this.server, this.#options.drainMs)
    this.#origin.close()
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path, query] = splitOnce(request.url ?? '', '?')
    if (path === '/health') return void response.writeHead(200).end('{"status":"ok"}')
    if (Invalidations.owns(path)) return this.#invalidations.handle(request, response)
    response.once('close', () =>
      this.#log({
        event: 'cloudfront.request',
        distribution: this.#options.distributionId,
        method: request.method,
        path,
        status: response.statusCode,
        cache: response.getHeader('x-cache'),
      }),
    )
    const refused = this.#refuse(request, path, query)
    if (refused !== undefined) {
      replyToViewer(request, response, { reply: refused, result: 'Error' })
      return
    }
    const key = objectKeyOf(path, this.#options.prefix)
    if (key === undefined) {
      replyToViewer(request, response, { reply: s3AccessDenied(), result: 'Error' })
      return
    }
    await this.#deliver(key, request, response)
  }

  /** What is refused before the cache or the origin is asked; none of it is ever cached. */
  #refuse(request: IncomingMessage, path: string, query: string): Stored | undefined {
    const host = request.headers.host ?? ''
    const port = portOf(this.server)
    const names = [`127.0.0.1:${port}`, `localhost:${port}`, ...(this.#options.aliases ?? [])]
    if (!names.includes(host)) return requestNotSatisfied(403, 'Bad request.')
    if (!['GET', 'HEAD', 'OPTIONS'].includes(request.method ?? '')) {
      const why = 'This distribution is not configured to allow the HTTP request method.'
      return requestNotSatisfied(403, why)
    }
    const refusal = this.#refuseUnsigned(request, { base: `http://${host}${path}`, query })
    if (refusal !== undefined) return signatureRefused(refusal)
    // A signature is asked for whatever the method; S3 has no CORS rules for reading.
    return request.method === 'OPTIONS' ? corsForbidden() : undefined
  }

  #refuseUnsigned(request: IncomingMessage, url: ViewerUrl): Refusal | undefined {
    if (this.#keys === undefined) return undefined
    const sourceIp = (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '')
    const { cookie } = request.headers
    return refusalOf(
      { url: url.base, query: url.query, cookie, sourceIp },
      this.#keys,
      Math.floor(this.#options.now() / 1000),
    )
  }

  async #deliver(key: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const found = await this.#lookUp(key)
    if (found !== 'not-kept') {
      replyToViewer(request, response, found)
      return
    }
    const range = request.method === 'GET' ? request.headers.range : undefined
    const origin = this.#origin
    const own = range === undefined ? await origin.read(key) : await origin.readRange(key, range)
    if (own.kind === 'stream') return relay(request, response, own)
    const reply = replyOf(own)
    replyToViewer(request, response, { reply, result: reply.status >= 400 ? 'Error' : 'Miss' })
  }

  /** What the cache or the shared read has; when not-kept, the viewer needs a read of its own. */

  async #lookUp(key: string): Promise<Lookup | 'not-kept'> {
    const now = this.#options.now()
    const cached = this.#cache.find(key)
    if (cached !== undefined && now < cached.freshUntilMs) {
      const ageSeconds = Math.max(Math.floor((now - cached.storedAtMs) / 1000), 0)
      const result = cached.reply.status >= 400 ? 'Error' : 'Hit'
      return { reply: cached.reply, result, ageSeconds }
    }
    const pending = this.#pending.get(key) ?? this.#read(key, cached)
    const fromOrigin = await pending.reply
    if (fromOrigin.kind === 'stream') return 'not-kept'
    if (fromOrigin.kind === 'not-modified') {
      if (cached === undefined) return 'not-kept'
      if (!pending.isPurged) this.#keep(key, cached.reply)
      return { reply: cached.reply, result: 'RefreshHit' }
    }
    const reply = replyOf(fromOrigin)
    if (!pending.isPurged) this.#keep(key, reply)
    return { reply, result: reply.status >= 400 ? 'Error' : 'Miss' }
  }

  #read(key: string, cached: CacheEntry | undefined): Pending {
    const etag = cached?.reply.status === 200 ? cached.reply.headers['etag'] : undefined
    const reply = this.#origin.read(key, etag).then(result => {
      // The head is enough to know that it is too large; each viewer reads it for itself.
      if (result.kind === 'stream') result.body.destroy()
      return result
    })
    const pending: Pending = { reply, isPurged: false }
    this.#pending.set(key, pending)
    const forget = () => {
      if (this.#pending.get(key) === pending) this.#pending.delete(key)
    }
    reply.then(forget, forget)
    return pending
  }

  #keep(key: string, reply: Stored): void {
    const freshSeconds = freshSecondsOf(reply, {
      defaultSeconds: this.#options.defaultTtlSeconds,
      errorSeconds:
        this.#options.errorTtlSecondsByStatus?.[reply.status] ?? this.#options.errorTtlSeconds,
      maxSeconds: maxTtlSeconds,
    })
    if (freshSeconds === undefined) return this.#cache.delete(key)
    const storedAtMs = this.#options.now()
    const freshUntilMs = storedAtMs + freshSeconds * 1000
    this.#cache.store(key, { reply, storedAtMs, freshUntilMs })
  }

  #purge(matches: (key: string) => boolean): void {
    this.#cache.deleteWhere(matches)
    for (const [key, pending] of this.#pending) {
      if (!matches(key)) continue
      pending.isPurged = true
      this.#pending.delete(key)
    }
  }
}

function replyOf(result: OriginReply): Stored {
  switch (result.kind) {
    case 'whole':
      return result.reply
    case 'timed-out':
      return requestNotSatisfied(504, 'The origin did not answer in time.')
    case 'unreachable':
    case 'not-modified':
    case 'stream':
      return requestNotSatisfied(502, 'CloudFront attempted to establish a connection in vain.')
  }
}

async function relay(
  request: IncomingMessage,
  response: ServerResponse,
  large: { head: Omit<Stored, 'body'>; body: Readable },
): Promise<void> {
  response.writeHead(large.head.status, { ...large.head.headers, ...edgeHeaders('Miss') })
  if (request.method === 'HEAD') {
    large.body.destroy()
    response.end()
    return
  }
  try {
    await pipeline(large.body, response)
  } catch {
    // The viewer or S3 went away in mid-body; a cut connection says that it is not complete.
    response.destroy()
  }
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)]
}
