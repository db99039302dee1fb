import { openCdnInvalidation, type CdnInvalidation } from '@funmagic/asset/cdn-invalidation'
import { createAssetLinks, type AssetLinks } from '@funmagic/asset/resolve-url'
import { openS3ObjectStore } from '@funmagic/asset/s3-object-store'
import { Slots } from '@funmagic/asset/slots'
import { openDatabase } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { balanceOf } from '@funmagic/ledger/accounts'
import { loadConfig } from '@funmagic/runtime/config'
import { run, type Lifecycle } from '@funmagic/runtime/lifecycle'
import { createLogger } from '@funmagic/runtime/logger'
import { createMetrics } from '@funmagic/runtime/metrics'
import { openRedis } from '@funmagic/runtime/redis'
import { Repeat } from '@funmagic/runtime/repeat'
import { sessionCookie } from '@funmagic/session/cookie'
import { createRateLimits } from '@funmagic/session/rate-limits'
import { createSessions } from '@funmagic/session/session'
import { buildApp } from './app.ts'
import { AssetConfig } from './config.ts'
import { createEvents, type Events } from './events.ts'
import { openCookieScope } from './gallery-cookies.ts'
import { reconcile } from './jobs/reconcile.ts'
import { sweep } from './jobs/sweep.ts'

await run('asset', async (environment, lifecycle) => {
  const config = loadConfig(AssetConfig, environment)
  const logger = createLogger('asset', config.log.level)
  const metrics = createMetrics('asset')
  const events = createEvents(metrics, logger)
  const onCacheError = (error: unknown) => events.connectionFailed('redis', error)
  const { database, redis, store } = openStores(config, events, lifecycle)
  const links = createAssetLinks({ ...config.cdn, store })
  const cdn = openInvalidation(config, links)
  lifecycle.onStop('cdn', async () => cdn?.close())

  const { checksMax: runningMax, checksWaitingMax: waitingMax, ...quota } = config.uploads
  const checks = new Slots({ runningMax, waitingMax })

  const stopping = new AbortController()
  const sweeper = new Repeat(config.sweep.intervalMs, () =>
    sweep({ database, store, cdn, checks, events }, stopping.signal),
  )
  lifecycle.onStop('sweeper', () => {
    stopping.abort()
    return sweeper[Symbol.asyncDispose]()
  })
  const { intervalMs, ...grace } = config.reconciliation
  const reconciler = new Repeat(intervalMs, () => reconcile({ database, store, events }, grace))
  lifecycle.onStop('reconciler', () => reconciler[Symbol.asyncDispose]())

  const { app, drain } = await buildApp({
    server: {
      logger,
      metrics,
      http: config.http,
      health: {
        db: () => database.query(sql`SELECT 1`),
        redis: () => redis.ping(),
        storage: () => store.check(),
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
    files: { database, store, cdn, checks },
    quota,
    links,
    gallery: openGallery(config),
    events,
  })
  await app.listen({ host: config.http.host, port: config.http.port })
  lifecycle.onStop('server', drain)
})

function openStores(config: AssetConfig, events: Events, lifecycle: Lifecycle) {
  const database = openDatabase({
    ...config.database,
    applicationName: 'asset',
    onIdleError: error => events.connectionFailed('postgres', error),
  })
  lifecycle.onStop('database', () => database[Symbol.asyncDispose]())
  const redis = openRedis({
    url: config.redis.url,
    role: 'cache',
    name: 'asset',
    onError: error => events.connectionFailed('redis', error),
  })
  lifecycle.onStop('redis', async () => redis.disconnect())
  const store = openS3ObjectStore(config.store)
  lifecycle.onStop('store', async () => store.close())
  return { database, redis, store }
}

function openGallery({ gallery, cookie, cdn }: AssetConfig) {
  const { cookieDomain: domain, downloadsMax: runningMax } = gallery
  const cookieScope = openCookieScope({ domain, isSecure: cookie.secure }, cdn.privateCdnUrl)
  return { cookieScope, downloads: new Slots({ runningMax, waitingMax: 0 }) }
}

function openInvalidation(
  { invalidation, store }: AssetConfig,
  links: AssetLinks,
): CdnInvalidation | undefined {
  const { distributionId, endpoint } = invalidation
  if (distributionId === undefined) return undefined
  const { accessKey, secretKey } = store
  const addressOf = (key: string) => links.publicUrlOf(key)
  return openCdnInvalidation({ distributionId, addressOf, endpoint, accessKey, secretKey })
}
