import { createAssetLinks } from '@funmagic/asset/resolve-url'
import { openDatabase, type Database } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { balanceOf } from '@funmagic/ledger/accounts'
import { openCredentials } from '@funmagic/provider/credentials'
import { forgetLimits } from '@funmagic/provider/limiter'
import { findProvider } from '@funmagic/provider/providers'
import { loadConfig } from '@funmagic/runtime/config'
import { armFailpoints } from '@funmagic/runtime/failpoints'
import { run, type Lifecycle } from '@funmagic/runtime/lifecycle'
import { createLogger } from '@funmagic/runtime/logger'
import { createMetrics } from '@funmagic/runtime/metrics'
import { openRedis, type Redis } from '@funmagic/runtime/redis'
import { remember } from '@funmagic/runtime/remember'
import { Repeat } from '@funmagic/runtime/repeat'
import { sessionCookie } from '@funmagic/session/cookie'
import { createRateLimits } from '@funmagic/session/rate-limits'
import { createSessions } from '@funmagic/session/session'
import { ProgressSubscriber } from '@funmagic/task/progress-subscriber'
import { readSpend, spendLifeMs } from '@funmagic/task/spend'
import { requireNoEviction, TaskQueue } from '@funmagic/task/queue'
import { createAdmission, type Admission } from './admission.ts'
import { createAnnouncer, type Announcer } from './announcer.ts'
import { buildApp } from './app.ts'
import { GatewayConfig } from './config.ts'
import { Dispatcher } from './dispatcher.ts'
import { createEvents, type Events } from './events.ts'
import { createAvailability } from './provider-availability.ts'
import { createVerifiers } from './provider-webhooks.ts'
import { createQuotes } from './quotes.ts'
import { joinEvents } from './jobs/join-events.ts'
import { sample } from './jobs/sample.ts'
import { sweep } from './jobs/sweep.ts'
import { TaskWaits } from './task-waits.ts'

/** What operators change about a provider reaches submissions so late at most. */
const providerLifeMs = 1_000

await run('task-gateway', async (environment, lifecycle) => {
  armFailpoints(environment['FAILPOINTS'])
  const config = loadConfig(GatewayConfig, environment)
  const logger = createLogger('task-gateway', config.log.level)
  const metrics = createMetrics('task-gateway')
  const events = createEvents(metrics, logger)
  const stores = await openStores(config, events, lifecycle)
  const { database, redis, queue } = stores
  const announcer = createAnnouncer({ database, redis, events })
  const dispatcher = startJobs(config, { ...stores, announcer, events }, lifecycle)
  const admission = openAdmission(config, database)
  const waits = openWaits(config, { database, events }, lifecycle)
  const onError = (error: unknown) => events.connectionFailed('redis-cache', error)
  const guards = openGuards(config, { database, events }, lifecycle)
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
      sessions: createSessions({ database, redis, onCacheError: onError }),
      cookie: sessionCookie(config.cookie),
    },
    limits: createRateLimits({
      database,
      redis,
      profile: config.limits.profile,
      lifetimePurchasedOf: async userId => (await balanceOf(database, userId)).lifetimePurchased,
      onError,
    }),
    database,
    orders: {
      links: createAssetLinks(config.cdn),
      quotes: createQuotes(config.secretKey),
      timeouts: config.tasks,
      availability: guards.availability,
      providerOf: remember(id => findProvider(database, id), { lifeMs: providerLifeMs }),
    },
    admin: {
      credentials: await openCredentials(config.secretKey),
      cdnUrl: config.cdn.cdnUrl,
      simulatorsUrl: config.simulatorsUrl,
      forgetLimits: guards.forgetLimits,
    },
    inbox: { redis, verifiers: createVerifiers(config.webhooks) },
    submission: { admission, dispatcher, announcer, events, waits },
  })
  await app.listen({ host: config.http.host, port: config.http.port })
  lifecycle.onStop('server', drain)
  // Before the server drains: whoever waits is answered, and comes back to another copy.
  lifecycle.onStop('waits', () => waits.close())
})

/** A connection of its own to Redis: one that subscribes can do nothing else. */
function openWaits(
  config: GatewayConfig,
  { database, events }: { database: Database; events: Events },
  lifecycle: Lifecycle,
): TaskWaits {
  const onError = (error: unknown) => events.connectionFailed('redis-cache', error)
  const { url } = config.redisCache
  const redis = openRedis({ url, role: 'subscriber', name: 'task-gateway-waits', onError })
  lifecycle.onStop('waiting connection', async () => redis.disconnect())
  const waitsMax = config.tasks.waitsMax
  const onReconnect = () => void waits.lookAgain()
  const subscriber = new ProgressSubscriber({ redis, watchesMax: waitsMax, onReconnect, onError })
  const waits = new TaskWaits({ database, subscriber, waitsMax, onError })
  return waits
}

/** What the workers keep in the Redis of the queue about providers, on a connection of its own. */
function openGuards(
  config: GatewayConfig,
  { database, events }: { database: Database; events: Events },
  lifecycle: Lifecycle,
) {
  const onError = (error: unknown) => events.connectionFailed('redis-queue', error)
  const { url } = config.redisQueue
  const redis = openRedis({ url, role: 'cache', name: 'task-gateway-guards', onError })
  lifecycle.onStop('guards', async () => redis.disconnect())
  const refuseAfterMs = config.tasks.providerDownSeconds * 1000
  return {
    availability: createAvailability({
      database,
      redis,
      spendOf: remember(id => readSpend(database, id), { lifeMs: spendLifeMs }),
      refuseAfterMs,
      onError,
    }),
    // The limits come with the next call anyway; without Redis that is soon enough.
    forgetLimits: (scope: 'web' | 'admin', providerId: string) =>
      forgetLimits(redis, scope, providerId).catch(onError),
  }
}

function openAdmission({ tasks }: GatewayConfig, database: Database): Admission {
  const limits = { ...tasks, waitMaxMs: tasks.waitMaxSeconds * 1000 }
  return createAdmission({ database, limits })
}

interface Stores {
  readonly database: Database
  readonly redis: Redis
  readonly queue: TaskQueue
}

/** Throws when the queue's Redis may evict jobs (decision 14); without it the outbox waits. */
async function openStores(
  config: GatewayConfig,
  events: Events,
  lifecycle: Lifecycle,
): Promise<Stores> {
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
  lifecycle.onStop('redis', async () => redis.disconnect())
  const onError = (error: unknown) => events.connectionFailed('redis-queue', error)
  const options = { url: config.redisQueue.url, connectionName: 'task-gateway', onError }
  const onEvicting = (error: Error) => lifecycle.abort(error)
  const endCheck = await requireNoEviction(options, { onUnknown: onError, onEvicting })
  lifecycle.onStop('eviction check', async () => endCheck())
  const queue = new TaskQueue(options)
  lifecycle.onStop('queue', () => queue[Symbol.asyncDispose]())
  return { database, redis, queue }
}

function startJobs(
  config: GatewayConfig,
  parts: Stores & { readonly announcer: Announcer; readonly events: Events },
  lifecycle: Lifecycle,
): Dispatcher {
  const dispatcher = new Dispatcher({ ...parts, ...config.dispatch })
  lifecycle.onStop('dispatcher', () => dispatcher[Symbol.asyncDispose]())
  const limits = {
    rescuesMax: config.sweep.rescuesMax,
    redispatchAfterMs: config.sweep.redispatchAfterSeconds * 1000,
    keepSentMs: config.sweep.outboxKeepSeconds * 1000,
  }
  const sweeping = { ...parts, dispatcher, limits }
  const sweeper = new Repeat(config.sweep.intervalMs, () => sweep(sweeping))
  lifecycle.onStop('sweeper', () => sweeper[Symbol.asyncDispose]())
  const joiner = new Repeat(config.sweep.intervalMs, () => joinEvents(parts))
  lifecycle.onStop('joiner', () => joiner[Symbol.asyncDispose]())
  const sampler = new Repeat(config.sampleIntervalMs, () => sample(parts))
  lifecycle.onStop('sampler', () => sampler[Symbol.asyncDispose]())
  return dispatcher
}
