import { lookup as lookupAll } from 'node:dns'
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import type { LookupFunction } from 'node:net'
import { isHostAmong } from './providers/exchange.ts'
import { ProviderFailure } from './providers/provider.ts'
import { publicOnly } from './providers/public-addresses.ts'

export interface FetchTerms {
  /** The provider's hosts for outputs: https, port 443, public addresses. */
  readonly hosts: readonly string[]
  /** An operator's own address of the provider; without TLS only where simulators are. */
  readonly trustedOrigin: string | undefined
  readonly bytesMax: number
  readonly timeoutMs: number
  readonly signal: AbortSignal
  /** Resolves names; the system's resolver unless told. */
  readonly lookup?: LookupFunction
}

export interface FetchedOutput {
  readonly bytes: Uint8Array
  /** What the server says it is. */
  readonly mimeType: string
}

/**
 * Fetches a file from where a provider says it is, and only from where that provider keeps its
 * files: the address is the provider's word, and a hostile one must lead nowhere inside (fault
 * V-7; OWASP API7:2023). The addresses of a name are checked as the connection is made, so a
 * name that resolves differently the second time gains nothing. Redirects are not followed.
 */
export async function fetchOutput(address: string, terms: FetchTerms): Promise<FetchedOutput> {
  const url = parseAddress(address, terms)
  const signal = AbortSignal.any([terms.signal, AbortSignal.timeout(terms.timeoutMs)])
  try {
    const response = await request(url, terms, signal)
    requireFound(response)
    const bytes = await readBounded(response, terms.bytesMax)
    return { bytes, mimeType: response.headers['content-type'] ?? 'application/octet-stream' }
  } catch (error) {
    terms.signal.throwIfAborted()
    if (error instanceof ProviderFailure) throw error
    const kind = signal.aborted ? 'timed_out' : 'unavailable'
    throw new ProviderFailure(kind, 'the output could not be fetched', { cause: error })
  }
}

function parseAddress(address: string, terms: FetchTerms): URL {
  const url = URL.parse(address)
  if (url !== null && url.origin === terms.trustedOrigin) return url
  const isAllowed =
    url !== null &&
    url.protocol === 'https:' &&
    url.port === '' &&
    url.username === '' &&
    isHostAmong(url.hostname, terms.hosts)
  if (isAllowed) return url
  const where = url === null ? 'no address' : `${url.protocol}//${url.host}`
  throw new ProviderFailure('bad_response', `the output is at a place not allowed: ${where}`)
}

async function request(url: URL, terms: FetchTerms, signal: AbortSignal): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const options = { agent: false, signal, headers: { accept: '*/*' } }
  const outgoing =
    url.protocol === 'http:'
      ? http.get(url, options)
      : https.get(url, { ...options, lookup: publicOnly(terms.lookup ?? lookupAll) })
  outgoing.on('response', resolve)
  outgoing.on('error', reject)
  return promise
}

function requireFound(response: IncomingMessage): void {
  const { statusCode: status = 0 } = response
  if (status === 200) return
  response.destroy()
  const message = `the output was answered with ${status}`
  if (status === 403 || status === 404 || status === 410) {
    throw new ProviderFailure('expired', message, { status })
  }
  const isPassing = status === 429 || status >= 500
  throw new ProviderFailure(isPassing ? 'unavailable' : 'bad_response', message, { status })
}

async function readBounded(response: IncomingMessage, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  // Leaving the loop destroys the response and closes the connection.
  const body: AsyncIterable<Uint8Array> = response
  for await (const chunk of body) {
    sizeBytes += chunk.length
    if (sizeBytes > bytesMax) {
      throw new ProviderFailure('bad_response', `the output is larger than ${bytesMax} bytes`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
