import type { AssetLinks } from '@funmagic/asset/resolve-url'
import type { UserId } from '@funmagic/contract/ids'
import {
  galleryCookieAttributes,
  galleryCookieNames,
  type GalleryCookieScope,
} from '@funmagic/session/gallery-cookies'

/**
 * The Set-Cookie lines that let a browser fetch its user's folder on the private CDN (A8). Their
 * values need no quoting: CloudFront's base64 has no mark that cookies lack.
 */
export function writeGalleryCookies(
  signed: ReturnType<AssetLinks['signGallery']>,
  userId: UserId,
  scope: GalleryCookieScope,
): string[] {
  const seconds = Math.max(0, Math.floor((signed.expiresAt.getTime() - Date.now()) / 1000))
  const attributes = galleryCookieAttributes(userId, scope)
  return galleryCookieNames.flatMap(name => {
    const value = signed.cookies[name]
    return value === undefined ? [] : [`${name}=${value}; Max-Age=${seconds}; ${attributes}`]
  })
}

/**
 * Throws when a cookie for the domain would not reach the private CDN. A CDN on the domain itself
 * is one of a laptop, where cookies know no ports and an address has no subdomains.
 */
export function openCookieScope(
  settings: { domain?: string | undefined; isSecure: boolean },
  privateCdnUrl: string,
): GalleryCookieScope | undefined {
  const { domain, isSecure } = settings
  if (domain === undefined) return undefined
  const { hostname } = new URL(privateCdnUrl)
  if (hostname !== domain && !hostname.endsWith(`.${domain}`)) {
    throw new RangeError(`cookies for ${domain} do not reach ${hostname}`)
  }
  return { domain, isSecure }
}
