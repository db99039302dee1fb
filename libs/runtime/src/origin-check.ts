import { AppError } from '@funmagic/contract/problem'
import type { FastifyRequest } from 'fastify'
import type { Server } from './server.ts'

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Refuses state-changing requests that a foreign page sends with the user's cookie (decision 15,
 * OWASP CSRF). Browsers put Origin on every such request; a client that sends none is no browser
 * and carries no ambient cookie. SameSite cookies are a second wall, not the only one.
 */
export function addOriginCheck(app: Server, allowedOrigins: readonly string[]): void {
  const allowed = new Set(allowedOrigins)
  app.addHook('onRequest', async request => {
    if (safeMethods.has(request.method)) return
    if (!comesFromAllowedOrigin(request, allowed)) throw new AppError('CSRF_REJECTED')
  })
}

function comesFromAllowedOrigin(request: FastifyRequest, allowed: ReadonlySet<string>): boolean {
  const { origin } = request.headers
  if (origin === undefined) {
    const site = request.headers['sec-fetch-site']
    return site === undefined || site === 'same-origin'
  }
  return allowed.has(origin) || origin === `${request.protocol}://${request.host}`
}
