import type { ProviderType } from '@funmagic/contract/tool'
import { ProviderFailure, type FailureKind } from './provider.ts'
import { requirePublicHost, type FindAddresses } from './public-addresses.ts'

export type Fetch = typeof globalThis.fetch

/** One step of a conversation with a vendor. */
export interface Terms {
  readonly operation: 'upload' | 'submit' | 'status' | 'result' | 'cancel'
  readonly timeoutMs: number
  readonly signal: AbortSignal
  /** What a 404 means at this step, where it does not mean that the model is not there. */
  readonly notFound?: FailureKind
}

/**
 * Runs a part of a vendor's SDK on a fetch of ours. The first failure ends it, whatever the SDK
 * makes of it: two of the three retry by themselves and cannot be told not to (fal-js
 * src/queue.ts, replicate-javascript lib/util.js), and the retry policy has to be ours alone.
 */
export type Exchange = <Result>(
  terms: Terms,
  operate: (fetch: Fetch) => Promise<Result>,
) => Promise<Result>

export interface ExchangeOptions {
  readonly provider: ProviderType
  /** Where requests may go, with the key and the picture; see isHostAmong. */
  readonly hosts: readonly string[]
  /**
   * Replaces the vendor's address; its origin is allowed beside the hosts. Its name must lead to
   * public addresses; without TLS it is one of simulators, which operators cannot enter.
   */
  readonly baseUrl: string | null
  /** The system's resolver unless told. */
  readonly findAddresses?: FindAddresses
  readonly responseBytesMax: number
  /** What an error reply means, where its status does not tell. */
  readonly kindOf?: (status: number, body: string) => FailureKind | undefined
  /** How long to wait, for a vendor that says so in the body. */
  readonly retryAfterMsOf?: (body: string) => number | undefined
  readonly observe: ObserveExchange
}

export type ObserveExchange = (exchange: {
  provider: ProviderType
  operation: Terms['operation']
  seconds: number
  failure: FailureKind | undefined
}) => void

const messageCharactersMax = 300
const errorBytesMax = 10_000

export function createExchange(options: ExchangeOptions): Exchange {
  const { provider, observe } = options
  return async (terms, operate) => {
    const { operation, signal } = terms
    const startedAt = performance.now()
    const done = (failure: FailureKind | undefined) =>
      observe({ provider, operation, seconds: (performance.now() - startedAt) / 1000, failure })
    try {
      const result = await endAtFirstFailure(options, terms, operate)
      done(undefined)
      return result
    } catch (error) {
      signal.throwIfAborted()
      const failure = asFailure(error, `the answer to ${operation} cannot be read`, 'bad_response')
      done(failure.kind)
      throw failure
    }
  }
}

async function endAtFirstFailure<Result>(
  options: ExchangeOptions,
  terms: Terms,
  operate: (fetch: Fetch) => Promise<Result>,
): Promise<Result> {
  const signal = AbortSignal.any([terms.signal, AbortSignal.timeout(terms.timeoutMs)])
  const end = Promise.withResolvers<never>()
  // The race below is over when the SDK, after a sleep of its own, meets the refusal.
  end.promise.catch(() => undefined)
  let failure: ProviderFailure | undefined
  const fail = (error: unknown): ProviderFailure => {
    failure ??= asFailure(error, `${terms.operation} did not get through`, 'unavailable')
    end.reject(failure)
    return failure
  }
  const onAbort = () => fail(signal.reason)
  signal.addEventListener('abort', onAbort)
  try {
    const work = operate(async (input, init) => {
      if (failure !== undefined) throw failure
      try {
        signal.throwIfAborted()
        return await request(options, terms, { input, init: { ...init, signal } })
      } catch (error) {
        throw fail(error)
      }
    })
    return await Promise.race([work, end.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

async function request(
  options: ExchangeOptions,
  terms: Terms,
  call: { input: Parameters<Fetch>[0]; init: RequestInit },
): Promise<Response> {
  const url = new URL(call.input instanceof Request ? call.input.url : call.input)
  if (!isAllowed(url, options)) {
    throw new ProviderFailure('bad_response', `the provider leads to another host: ${url.host}`)
  }
  const isVendor = isHostAmong(url.hostname, options.hosts)
  if (!isVendor && url.protocol === 'https:') {
    await requirePublicHost(url.hostname, options.findAddresses)
  }
  const response = await fetch(call.input, { ...call.init, redirect: 'manual' })
  if (response.ok && isEventStream(response)) {
    const events = ReadableStream.from(passBounded(response, options.responseBytesMax))
    return new Response(events, response)
  }
  const body = await readBounded(response, options.responseBytesMax)
  // A reply without content may not be given a body (Fetch standard, null body status).
  if (response.ok) return new Response(body.length === 0 ? null : body, response)
  const { status, headers } = response
  const text = new TextDecoder().decode(body.subarray(0, errorBytesMax))
  const kind = options.kindOf?.(status, text) ?? kindOfStatus(status, terms.notFound)
  const message = `${terms.operation} was answered with ${status}: ${redact(text)}`
  const askedMs = parseRetryAfter(headers.get('retry-after'), Date.now())
  const retryAfterMs = askedMs ?? options.retryAfterMsOf?.(text)
  throw new ProviderFailure(kind, message, { status, retryAfterMs })
}

function isAllowed(url: URL, { baseUrl, hosts }: ExchangeOptions): boolean {
  if (baseUrl !== null && url.origin === new URL(baseUrl).origin) return true
  return url.protocol === 'https:' && url.port === '' && isHostAmong(url.hostname, hosts)
}

/** True when the host is listed, or lies below a listed name that begins with a dot. */
export function isHostAmong(hostname: string, hosts: readonly string[]): boolean {
  return hosts.some(host => (host.startsWith('.') ? hostname.endsWith(host) : hostname === host))
}

function isEventStream({ headers }: Response): boolean {
  return (headers.get('content-type') ?? '').startsWith('text/event-stream')
}

/** Events are handed on as they come; a stream that breaks off is worth another try (V-9). */
async function* passBounded(response: Response, bytesMax: number): AsyncGenerator<Uint8Array> {
  let sizeBytes = 0
  const body: AsyncIterable<Uint8Array> | Iterable<Uint8Array> = response.body ?? []
  try {
    for await (const chunk of body) {
      sizeBytes += chunk.byteLength
      if (sizeBytes > bytesMax) {
        throw new ProviderFailure('bad_response', `the answer is larger than ${bytesMax} bytes`)
      }
      yield chunk
    }
  } catch (error) {
    throw asFailure(error, 'the events broke off', 'unavailable')
  }
}

/** A reply without end must not become a buffer without end (V-4). */
async function readBounded(response: Response, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  const body: AsyncIterable<Uint8Array> | Iterable<Uint8Array> = response.body ?? []
  for await (const chunk of body) {
    sizeBytes += chunk.byteLength
    if (sizeBytes > bytesMax) {
      throw new ProviderFailure('bad_response', `the answer is larger than ${bytesMax} bytes`)
    }
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

/** What a status means where the vendor says nothing more. */
export function kindOfStatus(status: number, notFound: FailureKind = 'misconfigured'): FailureKind {
  if (status === 401) return 'unauthorized'
  if (status === 402 || status === 403) return 'misconfigured'
  if (status === 404 || status === 410) return notFound
  if (status === 408 || status === 425 || status >= 500) return 'unavailable'
  if (status === 429) return 'throttled'
  return status >= 400 ? 'rejected' : 'bad_response'
}

/** Seconds or a date (RFC 9110 §10.2.3); undefined for anything else. */
export function parseRetryAfter(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000
  const atMs = Date.parse(header)
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs)
}

function asFailure(error: unknown, message: string, kind: FailureKind): ProviderFailure {
  if (error instanceof ProviderFailure) return error
  if (error instanceof DOMException && error.name === 'TimeoutError') {
    return new ProviderFailure('timed_out', message, { cause: error })
  }
  return new ProviderFailure(kind, message, { cause: error })
}

/** Keeps what an operator needs of an error reply, without addresses, keys and pictures. */
function redact(text: string): string {
  return text
    .replaceAll(/https?:\/\/[^\s"']+/g, '[address]')
    .replaceAll(/[A-Za-z0-9+/_-]{24,}={0,2}/g, '[…]')
    .slice(0, messageCharactersMax)
}
