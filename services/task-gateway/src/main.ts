import { createAssetLinks } from '@funmagic/asset/resolve-url'
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
import { requireNoEviction, TaskQueue } from '@funmagic/task/queue'
import { createAnnouncer } from './announcer.ts'
import { buildApp } from './app.ts'
import { GatewayConfig } from './config.ts'
import { Dispatcher } from './dispatcher.ts'
import { createEvents } from './events.ts'
import { Repeat } from './jobs/repeat.ts'
import { sample } from './jobs/sample.ts'
import { sweep } from './jobs/sweep.ts'

await run('task-gateway', async (environment, lifecycle) => {
  const config = loadConfig(GatewayConfig, environment)
  const logger = createLogger('task-gateway', config.log.level)
  const metrics = createMetrics('task-gateway')
  const events = createEvents(metrics, logger)

  const database = openDatabase({
    ...config.database,
    applicationName: 'task-gateway',
    onIdleError: error => events.connectionFailed('postgres', error),
  })
  lifecycle.onStop('database', () => database[Symbol.asyncDispose]())
  const redis = openRedis({
    url: config.redisCache.url,
    role: 'cache',
    name: 'task-gateway',
    onError: error => events.connectionFailed('redis-cache', error),
  })
  lifecycle.onStop('redis cache', async () => redis.disconnect())
  const onQueueError = (error: unknown) => events.connectionFailed('redis-queue', error)
  const queueOptions = {
    url: config.redisQueue.url,
    connectionName: 'task-gateway',
    onError: onQueueError,
  }
  await requireNoEviction(queueOptions, onQueueError)

  const queue = new TaskQueue(queueOptions)
  lifecycle.onStop('queue', () => queue[Symbol.asyncDispose]())
  const dispatcher = new Dispatcher({ database, queue, events, ...config.dispatch })
  lifecycle.onStop('dispatcher', () => dispatcher[Symbol.asyncDispose]())
  const announcer = createAnnouncer({ database, redis, events })
  const sweepDeps = {
    database,
    dispatcher,
    announcer,
    events,
    limits: {
      rescuesMax: config.sweep.rescuesMax,
      redispatchAfterMs: config.sweep.redispatchAfterSeconds * 1000,
      keepSentMs: config.sweep.outboxKeepSeconds * 1000,
    },
  }
  const sweeper = new Repeat(config.sweep.intervalMs, () => sweep(sweepDeps))
  lifecycle.onStop('sweeper', () => sweeper[Symbol.asyncDispose]())
  const sampler = new Repeat(config.sampleIntervalMs, () => sample({ database, queue, events }))
  lifecycle.onStop('sampler', () => sampler[Symbol.asyncDispose]())

  const onCacheError = (error: unknown) => events.connectionFailed('redis-cache', error)
  const { app, drain } = await buildApp({
    server: {
      logger,
      metrics,
      http: config.http,
      health: {
        db: () => database.query(sql`SELECT 1`),
        redis: () => redis.ping(),
        queue: () => queue.ping(),
      },
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
    links: createAssetLinks(config.cdn),
    submission: { dispatcher, announcer, events, timeouts: config.tasks },
  })
  await app.listen({ host: config.http.host, port: config.http.port })
  lifecycle.onStop('server', drain)
})
