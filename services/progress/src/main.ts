import { openDatabase } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { loadConfig } from '@funmagic/runtime/config'
import { run } from '@funmagic/runtime/lifecycle'
import { createLogger } from '@funmagic/runtime/logger'
import { createMetrics } from '@funmagic/runtime/metrics'
import { openRedis } from '@funmagic/runtime/redis'
import { sessionCookie } from '@funmagic/session/cookie'
import { createSessions } from '@funmagic/session/session'
import { ProgressSubscriber } from '@funmagic/task/progress-subscriber'
import { buildApp } from './app.ts'
import { ProgressConfig } from './config.ts'
import { createEvents } from './events.ts'
import { OpenStreams } from './open-streams.ts'
import { Reconnections } from './reconnections.ts'
import { SafetyPoll } from './safety-poll.ts'

await run('progress', async (environment, lifecycle) => {
  const config = loadConfig(ProgressConfig, environment)
  const logger = createLogger('progress', config.log.level)
  const metrics = createMetrics('progress')
  const onError = (error: Error) => logger.warn({ err: error }, 'a connection failed')

  const database = openDatabase({
    ...config.database,
    applicationName: 'progress',
    onIdleError: onError,
  })
  lifecycle.onStop('database', () => database[Symbol.asyncDispose]())
  const redis = openRedis({ url: config.redis.url, role: 'cache', name: 'progress', onError })
  lifecycle.onStop('redis', async () => redis.disconnect())
  const listening = openRedis({
    url: config.redis.url,
    role: 'subscriber',
    name: 'progress-subscriber',
    onError,
  })
  lifecycle.onStop('subscriber', async () => listening.disconnect())

  const reconnections = new Reconnections()
  const subscriber = new ProgressSubscriber({
    redis: listening,
    watchesMax: config.streams.perProcessMax,
    onReconnect: () => reconnections.announce(),
    onError,
  })
  const events = createEvents({ logger, metrics, channelCount: () => subscriber.channelCount() })
  const streams = new OpenStreams(config.streams)
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
    cookie: sessionCookie({ secure: config.cookieSecure, domain: config.cookieDomain }),
    streaming: {
      database,
      redis,
      sessions: createSessions({
        database,
        redis,
        onCacheError: error => events.failed('session cache', error),
      }),
      subscriber,
      reconnections,
      streams,
      safetyPoll,
      sessionCheckMs: config.streams.sessionCheckMs,
      events,
    },
  })
  await app.listen({ host: config.http.host, port: config.http.port })
  lifecycle.onStop('server', drain)
})
