import type { LookupAddress } from 'node:dns'
import { lookup as findAddresses } from 'node:dns/promises'
import { BlockList, isIPv4, type LookupFunction } from 'node:net'
import { ProviderFailure } from './provider.ts'

/** The addresses of a name. */
export type FindAddresses = (hostname: string) => Promise<readonly LookupAddress[]>

/**
 * Throws for a name that leads into our own network: an operator typed it, which is input too
 * (SSRF). TLS holds against a name that changes between this look and the connection.
 */
export async function requirePublicHost(
  hostname: string,
  find: FindAddresses = name => findAddresses(name, { all: true }),
): Promise<void> {
  const addresses = await find(hostname)
  if (addresses.every(({ address }) => isPublicAddress(address))) return
  throw new ProviderFailure('misconfigured', `${hostname} leads to a private address`)
}

/** Resolves like the given function, and not at all when any address is not public. */
export function publicOnly(lookup: LookupFunction): LookupFunction {
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
