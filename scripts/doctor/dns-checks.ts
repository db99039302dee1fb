import { Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import { failed, ok, skipped, type Check, type Verdict } from './check.ts'
import { isCloudflareProxy } from './cloudflare.ts'
import type { Installation } from './installation.ts'

/** The questions that are asked of DNS; a name that is not there has an empty answer. */
export interface Names {
  readonly addresses: (host: string) => Promise<readonly string[]>
  readonly cname: (host: string) => Promise<string | undefined>
}

const dnsTimeoutMs = 3_000
const cnamesMax = 5
const nothingThere = ['ENOTFOUND', 'ENODATA']

/** Asks the resolvers of this machine. */
export function openNames(): Names {
  const resolver = new Resolver({ timeout: dnsTimeoutMs, tries: 2 })
  return {
    addresses: async host => {
      const v4 = await resolver.resolve4(host).catch(emptyWhenAbsent)
      return [...v4, ...(await resolver.resolve6(host).catch(emptyWhenAbsent))]
    },
    cname: async host => (await resolver.resolveCname(host).catch(emptyWhenAbsent))[0],
  }
}

function emptyWhenAbsent(error: NodeJS.ErrnoException): string[] {
  if (nothingThere.includes(error.code ?? '')) return []
  throw error
}

/**
 * Both CDN names and the API are "DNS only" at Cloudflare (requirement A1): they lead to CloudFront
 * and not to a proxy, which would be a second cache that no invalidation reaches.
 */
export function dnsChecks(installation: Installation, names: Names): Check[] {
  const { edge, cdn, privateCdn } = installation
  const origins = [cdn, privateCdn, edge].map(address => new URL(address))
  const byHost = new Map(origins.map(origin => [origin.hostname, origin]))
  return [...byHost.values()].map(({ hostname, protocol }) => {
    const isName = protocol === 'https:' && isIP(hostname) === 0
    const run = () => (isName ? checkName(hostname, names) : Promise.resolve(notPublic))
    return { name: `dns ${hostname}`, run }
  })
}

const notPublic = skipped('plain HTTP or a bare address: nothing of it is in the DNS')

async function checkName(host: string, names: Names): Promise<Verdict> {
  const addresses = await names.addresses(host)
  if (addresses.length === 0) {
    const fix = 'apply terraform/environments/<environment>: dns.tf of the edge module makes it'
    return failed({ detail: 'the name has no address', fix })
  }
  const proxied = addresses.filter(isCloudflareProxy)
  if (proxied.length > 0) {
    const detail = `${proxied.join(', ')} belongs to Cloudflare’s proxy: the cloud is orange`
    return failed({ detail, fix: 'set the record to "DNS only" (proxied = false)' })
  }
  const chain = await followCnames(host, names)
  const cloudFront = chain.find(name => name.endsWith('.cloudfront.net'))
  if (cloudFront === undefined) {
    const detail = `leads to ${chain.at(-1) ?? addresses[0]}, which is not CloudFront`
    return failed({ detail, fix: 'point the CNAME at the distribution (dNNN.cloudfront.net)' })
  }
  return ok(`grey cloud: ${cloudFront}, ${addresses.length} addresses`)
}

async function followCnames(host: string, names: Names): Promise<string[]> {
  const chain: string[] = []
  for (let name = host; chain.length < cnamesMax;) {
    const next = await names.cname(name)
    if (next === undefined) break
    chain.push(next)
    name = next
  }
  return chain
}
