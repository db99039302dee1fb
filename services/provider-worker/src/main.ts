import { openS3ObjectStore } from '@funmagic/asset/s3-object-store'
import { openDatabase } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { createBreaker } from '@funmagic/provider/breaker'
import { openCredentials } from '@funmagic/provider/credentials'
import { recordHealth } from '@funmagic/provider/health'
import { createLimiter } from '@funmagic/provider/limiter'
import { loadConfig } from '@funmagic/runtime/config'
import { armFailpoints } from '@funmagic/runtime/failpoints'
import { createServer } from '@funmagic/runtime/http-server'
import { run, type Lifecycle } from '@funmagic/runtime/lifecycle'
import { createLogger } from '@funmagic/runtime/logger'
import { createMetrics } from '@funmagic/runtime/metrics'
import { openRedis, type Redis } from '@funmagic/runtime/redis'
import { Repeat } from '@funmagic/runtime/repeat'
import { CallNews } from '@funmagic/task/call-news'
import { requireNoEviction } from '@funmagic/task/queue'
import { remember } from '@funmagic/runtime/remember'
import { readSpend, spendLifeMs } from '@funmagic/task/spend'
import { openAccounts } from './accounts.ts'
import { createAnnouncer } from './announce.ts'
import { checkHealth } from './check-health.ts'
import { healthTimesOf, limitsOf, timeoutsOf, WorkerConfig } from './config.ts'
import { createEvents, type Events } from './events.ts'
import { forwardCancels } from './forward-cancels.ts'
import { createGateEvents } from './gate-events.ts'
import { createGate } from './provider-gate.ts'
import type { Pause } from './providers/poll.ts'
import { runTask, type RunTaskDeps } from './run-task.ts'
import { WedgeWatch } from './wedge-watch.ts'
import { Worker } from './worker.ts'

const service = 'provider-worker'
const cancelIntervalMs = 1_000
const watchIntervalMs = 5_000

await run(service, async (environment, lifecycle) => {
  armFailpoints(environment['FAILPOINTS'])
  const config = loadConfig(WorkerConfig, environment)
  const logger = createLogger(service, config.log.level)
  const metrics = createMetrics(service)
  const events = createEvents(metrics, logger)

  const parts = await openParts(config, lifecycle, events)
  const { database, redis, queueRedis, store, credentials } = parts

  const timeouts = timeoutsOf(config)
  const announcer = createAnnouncer(redis, events)
  const gateEvents = createGateEvents(metrics, logger)
  const deps: RunTaskDeps = {
    database,
    store,
    openAccount: openAccounts({
      database,
      credentials,
      timeouts,
      callbackUrl: config.providers.callbackUrl,
      pause: openNews(config, lifecycle, events),
      observe: events.providerAnswered,
    }),
    spendOf: remember(id => readSpend(database, id), { lifeMs: spendLifeMs }),
    gate: createGate({
      ...guardsOf(queueRedis, config),
      announcer,
      events: gateEvents,
      keyRefused: account => recordHealth(database, { provider: account, isHealthy: false }),
    }),
    announcer,
    events,
    limits: limitsOf(config),
  }
  const { app, drain } = await createServer({
    service,
    title: 'Provider worker',
    description: 'Runs tasks at outside providers. Health and metrics only.',
    logger,
    metrics,
    http: { ...config.http, allowedOrigins: [], trustedProxies: [], drainMs: 0 },
    health: {
      db: () => database.query(sql`SELECT 1`),
      redis: () => redis.ping(),
      // Fails until there is a worker, which is true.
      queue: async () => worker.check(),
    },
  })
  await app.listen({ host: config.http.host, port: config.http.port })
  lifecycle.onStop('server', drain)

  const health = { database, credentials, events: gateEvents, ...healthTimesOf(config) }
  const checker = new Repeat(health.intervalMs / 4, () => checkHealth(health))
  lifecycle.onStop('health checks', () => checker[Symbol.asyncDispose]())
  const worker = startWorker(config, deps, lifecycle)
})

/** The worker, and what runs beside it for as long as the process lives. */
function startWorker(config: WorkerConfig, deps: RunTaskDeps, lifecycle: Lifecycle): Worker {
  const { events } = deps
  const canceler = new Repeat(cancelIntervalMs, () => forwardCancels(deps))
  lifecycle.onStop('canceler', () => canceler[Symbol.asyncDispose]())
  const worker = new Worker({
    ...config.queue,
    queueUrl: config.redisQueue.url,
    runTask: (taskId, shutdown) => runTask(deps, taskId, shutdown),
    events,
  })
  events.watchFetches(() => worker.lastFetchAgeSeconds())
  const watch = new WedgeWatch(worker, config.queue.wedgedAfterMs)
  const watching = new Repeat(watchIntervalMs, async () => {
    const wedge = await watch.look()
    if (wedge !== undefined) lifecycle.abort(wedge)
  })
  lifecycle.onStop('watch', () => watching[Symbol.asyncDispose]())
  lifecycle.onStop('worker', () => worker[Symbol.asyncDispose]())
  return worker
}

/** Hears from the gateway when a provider has called back. */
function openNews(config: WorkerConfig, lifecycle: Lifecycle, events: Events): Pause {
  const onError = (error: Error) => events.connectionFailed('redis', error)
  const redis = openRedis({
    url: config.redisCache.url,
    role: 'subscriber',
    name: `${service}-news`,
    onError,
  })
  lifecycle.onStop('news', async () => redis.disconnect())
  const news = new CallNews(redis, onError)
  return (providerRequestId, ms, signal) => news.wait(providerRequestId, ms, signal)
}

/** What the worker stands on; it is closed last, when no task needs it any more. */
async function openParts(config: WorkerConfig, lifecycle: Lifecycle, events: Events) {
  const database = openDatabase({
    ...config.database,
    applicationName: service,
    onIdleError: error => events.connectionFailed('postgres', error),
  })
  lifecycle.onStop('database', () => database[Symbol.asyncDispose]())
  const redis = openRedis({
    url: config.redisCache.url,
    role: 'cache',
    name: service,
    onError: error => events.connectionFailed('redis', error),
  })
  lifecycle.onStop('redis', async () => redis.disconnect())
  const queueRedis = openRedis({
    url: config.redisQueue.url,
    role: 'cache',
    name: `${service}-limits`,
    onError: error => events.connectionFailed('queue', error),
  })
  lifecycle.onStop('limits', async () => queueRedis.disconnect())
  const store = openS3ObjectStore(config.objects)
  lifecycle.onStop('object store', async () => store.close())
  const credentials = await openCredentials(config.secretKey, config.previousSecretKey)
  const onError = (error: Error) => events.connectionFailed('queue', error)
  const queueOptions = { url: config.redisQueue.url, connectionName: service, onError }
  const endCheck = await requireNoEviction(queueOptions, {
    onUnknown: reason => events.queuePolicyUnknown(reason),
    onEvicting: error => lifecycle.abort(error),
  })
  lifecycle.onStop('eviction check', async () => endCheck())
  return { database, redis, queueRedis, store, credentials }
}

/** Shared by all workers through the Redis that evicts nothing. */
function guardsOf(redis: Redis, { providers }: WorkerConfig) {
  const slotLeaseMs = providers.slotLeaseSeconds * 1000
  const limiter = createLimiter({ redis, scope: 'web', leaseMs: slotLeaseMs })
  return { limiter, breaker: createBreaker({ redis, scope: 'web' }), slotLeaseMs }
}
