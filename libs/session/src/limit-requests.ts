import { rateLimitScopes, type RateLimitCategory } from '@funmagic/contract/rate-limit'
import { AppError } from '@funmagic/contract/problem'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import plugin from 'fastify-plugin'
import type { RateLimits, Verdict } from './rate-limits.ts'

// With require-user.ts, the only file of this library that knows Fastify.

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A category that the route is counted in beside globalApi and userApi. */
    rateLimit?: RateLimitCategory
  }
  interface FastifyRequest {
    tightestLimit: Verdict | null
  }
}

/**
 * Counts requests to /api/*: by address before anything else is done for them (globalApi and the
 * route's own category), and by user once the route knows who calls (userApi and the route's
 * own). The headers tell the tightest of the limits; beyond one it is RATE_LIMITED (S9).
 */
export const registerRateLimits = plugin(
  async (app: FastifyInstance, { limits }: { limits: RateLimits }) => {
    app.decorateRequest('tightestLimit', null)

    app.addHook('onRequest', async (request, reply) => {
      // By the route and not by the raw path, in which a letter may be percent-encoded.
      const route = request.routeOptions.url
      if (route !== undefined && !route.startsWith('/api/')) return
      for (const category of categoriesOf(request, 'ip')) {
        admit(request, reply, await limits.checkAddress(category, request.ip))
      }
    })

    const limitUser = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
      if (request.user === null) return
      const verdicts = await limits.checkUser(categoriesOf(request, 'user'), request.user.id)
      for (const verdict of verdicts) admit(request, reply, verdict)
    }
    // A route's own hooks run after those of its scope, so after requireUser wherever that is.
    app.addHook('onRoute', route => {
      if (!route.url.startsWith('/api/')) return
      route.preHandler = [route.preHandler ?? [], limitUser].flat()
    })
  },
  { name: 'funmagic-rate-limits', dependencies: ['funmagic-session'] },
)

function categoriesOf(request: FastifyRequest, scope: 'ip' | 'user'): RateLimitCategory[] {
  const general = scope === 'ip' ? 'globalApi' : 'userApi'
  const own = request.routeOptions.config.rateLimit
  return own !== undefined && rateLimitScopes[own] === scope ? [general, own] : [general]
}

function admit(request: FastifyRequest, reply: FastifyReply, verdict: Verdict): void {
  const tightest = request.tightestLimit
  if (tightest === null || !verdict.isAllowed || verdict.remaining < tightest.remaining) {
    request.tightestLimit = verdict
    reply.header('x-ratelimit-limit', verdict.limit)
    reply.header('x-ratelimit-remaining', verdict.remaining)
    reply.header('x-ratelimit-reset', Math.ceil(Date.now() / 1000) + verdict.resetSeconds)
  }
  if (!verdict.isAllowed) {
    throw new AppError('RATE_LIMITED', { retryAfterSeconds: verdict.resetSeconds })
  }
}
