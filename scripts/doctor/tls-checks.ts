import { once } from 'node:events'
import { connect } from 'node:tls'
import { ask } from './ask.ts'
import { failed, ok, skipped, type Check, type Verdict } from './check.ts'
import type { Installation } from './installation.ts'

const dayMs = 86_400_000
// ACM renews 60 days before the end; with three weeks left it has been failing for a while.
const daysLeftMin = 21

export interface TlsOptions {
  readonly now: () => number
  /** Trusted besides the usual authorities; tests bring their own. */
  readonly authorities?: readonly string[]
  /** Where plain HTTP answers, when that is not port 80. */
  readonly httpPort?: number
}

/** Certificates, and the way from plain HTTP to TLS, for each host name. */
export function tlsChecks(installation: Installation, options: TlsOptions): Check[] {
  const addresses = [installation.edge, installation.cdn, installation.privateCdn]
  return addresses.flatMap(address => {
    const url = new URL(address)
    const isSecure = url.protocol === 'https:'
    const certificate: Check['run'] = signal =>
      isSecure ? checkCertificate(url, { ...options, signal }) : Promise.resolve(plain)
    const redirect: Check['run'] = signal =>
      isSecure ? checkRedirect(url, { ...options, signal }) : Promise.resolve(plain)
    return [
      { name: `tls ${url.host}`, run: certificate },
      { name: `http to https ${url.host}`, run: redirect },
    ]
  })
}

const plain = skipped('plain HTTP: there is no certificate')

async function checkCertificate(
  url: URL,
  { now, authorities, signal }: TlsOptions & { readonly signal: AbortSignal },
): Promise<Verdict> {
  const socket = connect({
    host: url.hostname,
    port: Number(url.port || 443),
    servername: url.hostname,
    // Whatever is wrong with it is to be read, not thrown.
    rejectUnauthorized: false,
    ...(authorities && { ca: [...authorities] }),
  })
  try {
    await once(socket, 'secureConnect', { signal })
    const { valid_to: validTo } = socket.getPeerCertificate()
    const daysLeft = Math.floor((Date.parse(validTo) - now()) / dayMs)
    if (daysLeft < 0) return failed({ detail: `expired on ${validTo}`, fix: renewFix })
    if (!socket.authorized) {
      const fix = `give the distribution a certificate of ${url.hostname} (us-east-1, ACM)`
      return failed({ detail: `not trusted: ${socket.authorizationError.message}`, fix })
    }
    if (daysLeft < daysLeftMin) {
      return failed({ detail: `expires in ${daysLeft} days`, fix: renewFix })
    }
    return ok(`${socket.getProtocol()}, ${daysLeft} days left`)
  } finally {
    socket.destroy()
  }
}

const renewFix =
  'see in ACM why it is not renewed: the CNAME that validates it must stay in the DNS'

async function checkRedirect(
  { hostname }: URL,
  { httpPort = 80, signal }: TlsOptions & { readonly signal: AbortSignal },
): Promise<Verdict> {
  const { status, headers } = await ask(`http://${hostname}:${httpPort}/`, { signal })
  const location = headers.get('location') ?? ''
  const isRedirect = status >= 300 && status < 400 && location.startsWith(`https://${hostname}`)
  if (isRedirect) return ok(`${status} to ${location}`)
  const fix = 'viewer_protocol_policy of the distribution must be redirect-to-https'
  return failed({ detail: `plain HTTP answers ${status}`, fix })
}
