import { AppError } from '@funmagic/contract/problem'

const internalSuffixes = ['.localhost', '.local', '.internal', '.intranet', '.lan', '.home.arpa']

/**
 * Throws URL_NOT_ALLOWED for an address that could lead a worker into our own network: what an
 * operator types is input too (SSRF). Only https at its own port and at a public name; the
 * simulators' origin is let through where there are simulators. What the name resolves to is
 * the worker's to check, at each call.
 */
export function requirePublicAddress(address: string, simulatorsUrl: string | undefined): void {
  const why = faultOf(address, simulatorsUrl)
  if (why === undefined) return
  const faults = [{ pointer: '/baseUrl', message: why }]
  throw new AppError('URL_NOT_ALLOWED', { details: { field: 'baseUrl', suggestion: why, faults } })
}

function faultOf(address: string, simulatorsUrl: string | undefined): string | undefined {
  // What a parser would tidy up silently is not what was meant.
  if (!/^[\x21-\x7e]+$/.test(address) || address.includes('\\') || !URL.canParse(address)) {
    return 'Give an address in plain ASCII.'
  }
  const url = new URL(address)
  if (url.username !== '' || url.password !== '') return 'Leave out the user and the password.'
  if (url.search !== '' || url.hash !== '') return 'Leave out what follows the path.'
  if (simulatorsUrl !== undefined && url.origin === new URL(simulatorsUrl).origin) return undefined
  if (url.protocol !== 'https:') return 'Use https.'
  if (url.port !== '') return 'Leave out the port.'
  return faultOfHost(url.hostname)
}

function faultOfHost(host: string): string | undefined {
  if (host.startsWith('[') || /^[\d.]+$/.test(host)) return 'Use a name, not a number.'
  if (!host.includes('.') || host.endsWith('.')) return 'Use a full public name.'
  if (host.split('.').some(label => label.startsWith('xn--'))) return 'Use a name in ASCII.'
  if (internalSuffixes.some(suffix => host.endsWith(suffix))) return 'This name is internal.'
  return undefined
}
