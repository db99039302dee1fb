/** How the session cookie is named and scoped (decision 15, requirement S4). */
export interface SessionCookie {
  readonly name: string
  readonly isSecure: boolean
  readonly domain: string | undefined
}

/** What a request's Cookie header says about the session. */
export interface PresentedCookie {
  /** The well-formed tokens in it, each once. */
  readonly tokens: readonly string[]
  /** Two different values under the name: somebody tossed a cookie, and neither is believed. */
  readonly isAmbiguous: boolean
}

const baseName = 'funmagic_session'
const tokenPattern = /^[a-z2-7]{40}$/

/**
 * Host-only with the `__Host-` prefix by default, which no sibling subdomain can overwrite; with
 * a domain it spans its subdomains and takes `__Secure-`. Browsers refuse both prefixes over
 * plain HTTP, so without `secure` the name has none (RFC 6265bis §4.1.3).
 */
export function sessionCookie(settings: {
  secure: boolean
  domain?: string | undefined
}): SessionCookie {
  const { secure, domain } = settings
  const prefix = !secure ? '' : domain === undefined ? '__Host-' : '__Secure-'
  return { name: `${prefix}${baseName}`, isSecure: secure, domain }
}

/**
 * Reads every occurrence of the cookie, where a cookie parser keeps one of them. What does not
 * have the form of a token, such as an overlong value, is no token.
 */
export function readSessionCookie(header: string | undefined, name: string): PresentedCookie {
  const values = new Set<string>()
  for (const pair of (header ?? '').split(';')) {
    const separator = pair.indexOf('=')
    if (separator === -1 || pair.slice(0, separator).trim() !== name) continue
    values.add(pair.slice(separator + 1).trim())
  }
  const tokens = [...values].filter(value => tokenPattern.test(value))
  return { tokens, isAmbiguous: values.size > 1 }
}
