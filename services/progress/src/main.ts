import { openDatabase } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { balanceOf } from '@funmagic/ledger/accounts'
import { loadConfig } from '@funmagic/runtime/config'
import { run, type Lifecycle } from '@funmagic/runtime/lifecycle'
import { createLogger } from '@funmagic/runtime/logger'
import { createMetrics } from '@funmagic/runtime/metrics'
import { openRedis } from '@funmagic/runtime/redis'
import { sessionCookie } from '@funmagic/session/cookie'
import { createRateLimits } from '@funmagic/session/rate-limits'
import { createSessions } from '@funmagic/session/session'
import { buildApp } from './app.ts'
import { Channels } from './channels.ts'
import { ProgressConfig } from './config.ts'
import { createEvents } from './events.ts'
import { OpenStreams } from './open-streams.ts'
import { SafetyPoll } from './safety-poll.ts'

const service = 'progress'

await run(service, async (environment, lifecycle) => {
  const config = loadConfig(ProgressConfig, environment)
  const logger = createLogger(service, config.log.level)
  const metrics = createMetrics(service)
  const onError = (error: Error) => logger.warn({ err: error }, 'a connection failed')
  const { database, redis, listening } = openConnections(config, lifecycle, onError)

  const watchesMax = config.streams.perProcessMax
  const channels = new Channels({ redis: listening, watchesMax, onError })
  const events = createEvents({ logger, metrics, channelCount: () => channels.count })
  const onCacheError = (error: unknown) => events.failed('cache', error)
  const safetyPoll = new SafetyPoll({
    database,
    intervalMs: config.streams.safetyPollMs,
    onError: error => events.failed('safety poll', error),
  })
  lifecycle.onStop('safety poll', async () => safetyPoll.close())

  const { app, drain } = await buildApp({
    server: {
      logger,
      metrics,
      http: config.http,
      health: { db: () => database.query(sql`SELECT 1`), redis: () => redis.ping() },
    },
    cookie: sessionCookie(config.cookie),
    limits: createRateLimits({
      database,
      redis,
      profile: config.limits.profile,
      lifetimePurchasedOf: async userId => (await balanceOf(database, userId)).lifetimePurchased,
      onError: onCacheError,
    }),
    streaming: {
      database,
      redis,
      sessions: createSessions({ database, redis, onCacheError }),
      channels,
      streams: new OpenStreams(config.streams),
      safetyPoll,
      sessionCheckMs: config.streams.sessionCheckMs,
      events,
    },
  })
  await app.listen({ host: config.http.host, port: config.http.port })
  lifecycle.onStop('server', drain)
})

/** Two connections to Redis: one that subscribes can do nothing else. */
function openConnections(
  config: { database: { url: string; poolMax: number }; redis: { url: string } },
  lifecycle: Lifecycle,
  onError: (error: Error) => void,
) {
  const { url } = config.redis
  const applicationName = service
  const database = openDatabase({ ...config.database, applicationName, onIdleError: onError })
  const redis = openRedis({ url, role: 'cache', name: service, onError })
  const listening = openRedis({ url, role: 'subscriber', name: `${service}-subscriber`, onError })
  lifecycle.onStop('database', () => database[Symbol.asyncDispose]())
  lifecycle.onStop('redis', async () => redis.disconnect())
  lifecycle.onStop('subscriber', async () => listening.disconnect())
  return { database, redis, listening }
}
