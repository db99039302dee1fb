import { openDatabase } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { balanceOf } from '@funmagic/ledger/accounts'
import { loadConfig } from '@funmagic/runtime/config'
import { run } from '@funmagic/runtime/lifecycle'
import { createLogger } from '@funmagic/runtime/logger'
import { createMetrics } from '@funmagic/runtime/metrics'
import { openRedis } from '@funmagic/runtime/redis'
import { sessionCookie } from '@funmagic/session/cookie'
import { createRateLimits } from '@funmagic/session/rate-limits'
import { createSessions } from '@funmagic/session/session'
import { createBalanceAnnouncer } from './announce-balance.ts'
import { buildApp } from './app.ts'
import { CreditConfig } from './config.ts'
import { createEvents } from './events.ts'

await run('credit', async (environment, lifecycle) => {
  const config = loadConfig(CreditConfig, environment)
  const logger = createLogger('credit', config.log.level)
  const metrics = createMetrics('credit')
  const events = createEvents(metrics, logger)

  const database = openDatabase({
    ...config.database,
    applicationName: 'credit',
    onIdleError: error => events.connectionFailed('postgres', error),
  })
  lifecycle.onStop('database', () => database[Symbol.asyncDispose]())
  const onCacheError = (error: unknown) => events.connectionFailed('redis', error)
  const redis = openRedis({
    url: config.redis.url,
    role: 'cache',
    name: 'credit',
    onError: onCacheError,
  })
  lifecycle.onStop('redis', async () => redis.disconnect())

  const { app, drain } = await buildApp({
    server: {
      logger,
      metrics,
      http: config.http,
      health: { db: () => database.query(sql`SELECT 1`), redis: () => redis.ping() },
    },
    session: {
      sessions: createSessions({ database, redis, onCacheError }),
      cookie: sessionCookie(config.cookie),
    },
    limits: createRateLimits({
      database,
      redis,
      profile: config.limits.profile,
      lifetimePurchasedOf: async userId => (await balanceOf(database, userId)).lifetimePurchased,
      onError: onCacheError,
    }),
    database,
    announceBalance: createBalanceAnnouncer(redis, events),
    events,
  })
  await app.listen({ host: config.http.host, port: config.http.port })
  lifecycle.onStop('server', drain)
})
