import { openDatabase } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { balanceOf } from '@funmagic/ledger/accounts'
import { ConfigError, loadConfig } from '@funmagic/runtime/config'
import { run } from '@funmagic/runtime/lifecycle'
import { createLogger } from '@funmagic/runtime/logger'
import { createMetrics } from '@funmagic/runtime/metrics'
import { openRedis } from '@funmagic/runtime/redis'
import { Repeat } from '@funmagic/runtime/repeat'
import { sessionCookie } from '@funmagic/session/cookie'
import { createRateLimits } from '@funmagic/session/rate-limits'
import { createSessions } from '@funmagic/session/session'
import type { Static } from 'typebox'
import { createAnnouncer } from './announce-credits.ts'
import { buildApp } from './app.ts'
import { CreditConfig } from './config.ts'
import { createEvents } from './events.ts'
import { proveBooks } from './jobs/prove-books.ts'
import { sweepCredits } from './jobs/sweep-credits.ts'
import { openStripe, type PaymentProvider } from './stripe/stripe-payments.ts'

const hourMs = 3_600_000

await run('credit', async (environment, lifecycle) => {
  const config = loadConfig(CreditConfig, environment)
  const payments = openPayments(config)
  const logger = createLogger('credit', config.log.level)
  if (payments === undefined) {
    logger.warn({}, 'STRIPE_SECRET_KEY is not set: credits cannot be bought (PAYMENTS_UNAVAILABLE)')
  }
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

  const announcer = createAnnouncer({ database, redis, events })
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
    announcer,
    events,
    payments,
    aloneCreditsMax: config.books.aloneCreditsMax,
  })
  const parts = { database, announcer, events, payments }
  const sweeper = new Repeat(config.books.sweepMs, () => sweepCredits(parts))
  lifecycle.onStop('sweeper', () => sweeper[Symbol.asyncDispose]())
  const prover = new Repeat(config.books.proofHours * hourMs, () => proveBooks(parts))
  lifecycle.onStop('prover', () => prover[Symbol.asyncDispose]())
  await app.listen({ host: config.http.host, port: config.http.port })
  lifecycle.onStop('server', drain)
})

/** One of the two keys without the other is a fault: money would be taken and never credited. */
function openPayments(config: Static<typeof CreditConfig>): PaymentProvider | undefined {
  const { secretKey, webhookSecret, apiUrl } = config.stripe
  if (secretKey === undefined) return undefined
  if (webhookSecret === undefined) {
    throw new ConfigError(['STRIPE_WEBHOOK_SECRET is not set: it goes with STRIPE_SECRET_KEY'])
  }
  return openStripe({ secretKey, webhookSecret, apiUrl, ...config.checkout })
}
