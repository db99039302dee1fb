import { lookup as lookupAll, type LookupAddress } from 'node:dns'
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import { BlockList, isIPv4, type LookupFunction } from 'node:net'
import { isHostAmong } from './providers/exchange.ts'
import { ProviderFailure } from './providers/provider.ts'

export interface FetchTerms {
  /** The provider's hosts for outputs: https, port 443, public addresses. */
  readonly hosts: readonly string[]
  /** An operator's own address of the provider, trusted as it is. */
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
  const isTrusted = url.origin === terms.trustedOrigin
  const options = { agent: false, signal, headers: { accept: '*/*' } }
  const outgoing = isTrusted
    ? (url.protocol === 'http:' ? http : https).get(url, options)
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

/** Resolves like the given function, and not at all when any address is not public. */
function publicOnly(lookup: LookupFunction): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      const addresses: LookupAddress[] = Array.isArray(found) ? found : []
      const [first] = addresses
      if (error !== null || first === undefined) {
        callback(error ?? new Error(`${hostname} has no address`), [])
      } else if (!addresses.every(({ address }) => isPublicAddress(address))) {
        callback(new ProviderFailure('bad_response', `${hostname} leads to a private address`), [])
      } else if (options.all) {
        callback(null, addresses)
      } else {
        callback(null, first.address, first.family)
      }
    })
  }
}

/** What is not globally reachable (IANA special-purpose address registry, RFC 6890). */
const privateIPv4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
]

/** Inside 2000::/3, the only global unicast block: tunnels into IPv4, and documentation. */
const privateIPv6: readonly (readonly [string, number])[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
]

/** True for an address that anybody on the internet could reach. */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !blockList('ipv4', privateIPv4).check(address, 'ipv4')
  const isGlobal = blockList('ipv6', [['2000::', 3]]).check(address, 'ipv6')
  return isGlobal && !blockList('ipv6', privateIPv6).check(address, 'ipv6')
}

function blockList(
  family: 'ipv4' | 'ipv6',
  subnets: readonly (readonly [string, number])[],
): BlockList {
  const list = new BlockList()
  for (const [network, prefix] of subnets) list.addSubnet(network, prefix, family)
  return list
}
