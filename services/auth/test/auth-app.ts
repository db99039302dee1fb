import { randomUUID } from 'node:crypto'
import { newId } from '@funmagic/contract/ids'
import { createTestDatabase } from '@funmagic/database/testing'
import { createLogger } from '@funmagic/runtime/logger'
import { createMetrics } from '@funmagic/runtime/metrics'
import { sessionCookie } from '@funmagic/session/cookie'
import { forgetRateLimitSettings } from '@funmagic/session/rate-limit-settings'
import { createRateLimits, type RateLimitProfile } from '@funmagic/session/rate-limits'
import { createSessions } from '@funmagic/session/session'
import { Redis } from 'ioredis'
import { buildApp } from '../src/app.ts'
import { createEvents } from '../src/events.ts'
import { createPasswords } from '../src/password.ts'

interface Teardown {
  teardown(work: () => unknown): void
}

export const password = 'correct horse battery'
export const cookieName = '__Host-funmagic_session'

/** The service on a database of its own and keys of its own in Redis. */
export async function startAuthApp(t: Teardown, options: { profile?: RateLimitProfile } = {}) {
  const { database } = await createTestDatabase(t)
  const keyPrefix = `${randomUUID()}:`
  const redis = new Redis(process.env['REDIS_CACHE_URL'] ?? '', { keyPrefix })
  const lines: string[] = []
  const logger = createLogger('auth', 'info', { write: line => void lines.push(line) })
  const metrics = createMetrics('auth')
  const sessions = createSessions({ database, redis })
  const { app } = await buildApp({
    server: {
      logger,
      metrics,
      http: {
        host: '127.0.0.1',
        port: 0,
        allowedOrigins: ['https://funmagic.test'],
        trustedProxies: ['127.0.0.1/32'],
        drainMs: 0,
      },
      health: { redis: () => redis.ping() },
    },
    database,
    session: {
      sessions,
      cookie: sessionCookie({ secure: true }),
      galleryCookies: { domain: 'funmagic.test', isSecure: true },
    },
    limits: createRateLimits({ database, redis, profile: options.profile ?? 'development' }),
    passwords: await createPasswords(),
    bonusCredits: 100,
    events: createEvents(metrics, logger),
    forgetSettings: () => forgetRateLimitSettings(redis),
  })
  t.teardown(async () => {
    await app.close()
    redis.disconnect()
  })
  return { app, database, sessions, redis, metrics, lines }
}

export type AuthApp = Awaited<ReturnType<typeof startAuthApp>>

/** Posts JSON, with a session cookie when one is given. */
export function post(app: AuthApp['app'], path: string, body?: object, cookie?: string) {
  return app.inject({
    method: 'POST',
    url: `/api/auth/${path}`,
    ...(body === undefined ? {} : { payload: body }),
    headers: cookie === undefined ? {} : { cookie },
  })
}

export function newEmail(): string {
  return `user-${newId()}@example.test`
}

/** The Cookie header that a browser would send after this reply. */
export function cookieOf(response: { headers: Record<string, unknown> }): string {
  return String(response.headers['set-cookie']).split(';', 1)[0] ?? ''
}

/** Signs up a new user and returns the email and the cookie. */
export async function signUpSomebody(app: AuthApp['app']) {
  const email = newEmail()
  const response = await post(app, 'sign-up/email', { name: 'Ada', email, password })
  return { email, cookie: cookieOf(response), user: response.json().user }
}
