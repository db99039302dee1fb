import { isIP } from 'node:net'
import { galleryPath } from '@funmagic/contract/gallery'
import type { UserId } from '@funmagic/contract/ids'

// CloudFront's signed cookies (A8). The asset service sets them and auth clears them at sign-out,
// which browsers do only for the same path and domain: so both are said here, once.

/** Who gets the cookies: the hosts under a domain that the API and the private CDN share. */
export interface GalleryCookieScope {
  readonly domain: string
  /** False only for plain HTTP on a laptop. */
  readonly isSecure: boolean
}

export const galleryCookieNames = [
  'CloudFront-Policy',
  'CloudFront-Signature',
  'CloudFront-Key-Pair-Id',
  'CloudFront-Hash-Algorithm',
] as const

/** They go to the user's folder and no other path, and no script reads them. */
export function galleryCookieAttributes(userId: UserId, scope: GalleryCookieScope): string {
  const attributes = [`Path=${galleryPath(userId)}`, 'HttpOnly', 'SameSite=Lax']
  if (scope.isSecure) attributes.push('Secure')
  // The one host of a laptop needs no domain, and an address can have none.
  const isHost = isIP(scope.domain) !== 0 || !scope.domain.includes('.')
  if (!isHost) attributes.push(`Domain=${scope.domain}`)
  return attributes.join('; ')
}

/** The Set-Cookie lines that make the browser drop them. */
export function clearGalleryCookies(userId: UserId, scope: GalleryCookieScope): string[] {
  const attributes = galleryCookieAttributes(userId, scope)
  return galleryCookieNames.map(name => `${name}=; Max-Age=0; ${attributes}`)
}
