import { openDatabase } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { loadConfig } from '@funmagic/runtime/config'
import { run } from '@funmagic/runtime/lifecycle'
import { createLogger } from '@funmagic/runtime/logger'
import { createMetrics } from '@funmagic/runtime/metrics'
import { openRedis } from '@funmagic/runtime/redis'
import { sessionCookie } from '@funmagic/session/cookie'
import type { GalleryCookieScope } from '@funmagic/session/gallery-cookies'
import { forgetRateLimitSettings } from '@funmagic/session/rate-limit-settings'
import { createRateLimits } from '@funmagic/session/rate-limits'
import { createSessions } from '@funmagic/session/session'
import { buildApp } from './app.ts'
import { AuthConfig } from './config.ts'
import { createEvents } from './events.ts'
import { startExpiringSessions } from './jobs/expire-sessions.ts'
import { createPasswords } from './password.ts'

await run('auth', async (environment, lifecycle) => {
  const config = loadConfig(AuthConfig, environment)
  const logger = createLogger('auth', config.log.level)
  const metrics = createMetrics('auth')
  const events = createEvents(metrics, logger)

  const database = openDatabase({
    ...config.database,
    applicationName: 'auth',
    onIdleError: error => events.connectionFailed('postgres', error),
  })
  lifecycle.onStop('database', () => database[Symbol.asyncDispose]())
  const onError = (error: unknown) => events.connectionFailed('redis', error)
  const redis = openRedis({ url: config.redis.url, role: 'cache', name: 'auth', onError })
  lifecycle.onStop('redis', async () => redis.disconnect())
  const sessions = createSessions({ database, redis, onCacheError: onError })

  const { app, drain } = await buildApp({
    server: {
      logger,
      metrics,
      http: config.http,
      health: { db: () => database.query(sql`SELECT 1`), redis: () => redis.ping() },
    },
    database,
    session: { sessions, cookie: sessionCookie(config.cookie), galleryCookies: openScope(config) },
    limits: createRateLimits({ database, redis, profile: config.limits.profile, onError }),
    passwords: await createPasswords(),
    bonusCredits: config.signUp.bonusCredits,
    events,
    // Without Redis no process finds old limits there either.
    forgetSettings: () => forgetRateLimitSettings(redis).catch(onError),
  })
  const stopExpiring = startExpiringSessions({ sessions, events })
  lifecycle.onStop('session expiry', async () => stopExpiring())
  await app.listen({ host: config.http.host, port: config.http.port })
  lifecycle.onStop('server', drain)
})

function openScope({ gallery, cookie }: AuthConfig): GalleryCookieScope | undefined {
  const { cookieDomain: domain } = gallery
  return domain === undefined ? undefined : { domain, isSecure: cookie.secure }
}
