import type { AssetLinks } from '@funmagic/asset/resolve-url'

type SignedGallery = ReturnType<AssetLinks['signGallery']>

/** Who gets the cookies: the hosts under a domain that the API and the private CDN share. */
export interface CookieScope {
  readonly domain: string
  /** False only for plain HTTP on a laptop. */
  readonly isSecure: boolean
}

const names = [
  'CloudFront-Policy',
  'CloudFront-Signature',
  'CloudFront-Key-Pair-Id',
  'CloudFront-Hash-Algorithm',
] as const

/**
 * The Set-Cookie lines that let a browser fetch its user's folder on the private CDN (A8). They go
 * to no other path, so neither another user's folder nor the API ever sees them, and no script
 * reads them. Their values need no quoting: CloudFront's base64 has no mark that cookies lack.
 */
export function writeGalleryCookies(signed: SignedGallery, scope: CookieScope): string[] {
  const seconds = Math.max(0, Math.floor((signed.expiresAt.getTime() - Date.now()) / 1000))
  return names.flatMap(name => {
    const value = signed.cookies[name]
    if (value === undefined) return []
    return [`${name}=${value}; Max-Age=${seconds}; ${attributesOf(signed.folderUrl, scope)}`]
  })
}

/** The Set-Cookie lines that make the browser drop them. */
export function clearGalleryCookies(folderUrl: string, scope: CookieScope): string[] {
  return names.map(name => `${name}=; Max-Age=0; ${attributesOf(folderUrl, scope)}`)
}

/**
 * Throws when a cookie for the domain would not reach the private CDN. A CDN on the domain itself
 * is one of a laptop, where cookies know no ports and an address has no subdomains.
 */
export function openCookieScope(
  settings: { domain?: string | undefined; isSecure: boolean },
  privateCdnUrl: string,
): CookieScope | undefined {
  const { domain, isSecure } = settings
  if (domain === undefined) return undefined
  const { hostname } = new URL(privateCdnUrl)
  if (hostname !== domain && !hostname.endsWith(`.${domain}`)) {
    throw new RangeError(`cookies for ${domain} do not reach ${hostname}`)
  }
  return { domain, isSecure }
}

function attributesOf(folderUrl: string, { domain, isSecure }: CookieScope): string {
  const { hostname, pathname } = new URL(folderUrl)
  const attributes = [`Path=${pathname}`, 'HttpOnly', 'SameSite=Lax']
  if (isSecure) attributes.push('Secure')
  // The host itself needs no domain, and an IP address can have none.
  if (hostname !== domain) attributes.push(`Domain=${domain}`)
  return attributes.join('; ')
}
