import { setTimeout as wait } from 'node:timers/promises'
import { createTestDatabase } from '@funmagic/database/testing'
import { inTransaction } from '@funmagic/database/transaction'
import { openAccount } from '@funmagic/ledger/accounts'
import { createLogger } from '@funmagic/runtime/logger'
import { createMetrics } from '@funmagic/runtime/metrics'
import { openRedis } from '@funmagic/runtime/redis'
import { sessionCookie } from '@funmagic/session/cookie'
import { createRateLimits } from '@funmagic/session/rate-limits'
import { createSessions } from '@funmagic/session/session'
import { createTestUser, type TestUser } from '@funmagic/session/testing'
import { createAnnouncer } from '../src/announce-credits.ts'
import { buildApp } from '../src/app.ts'
import { createEvents } from '../src/events.ts'
import type { PaymentProvider } from '../src/stripe/stripe-payments.ts'

interface Teardown {
  teardown(work: () => unknown): void
}

type Role = NonNullable<Parameters<typeof createTestUser>[1]>['role']

export const aloneCreditsMax = 1_000

/** The service on a database of its own. */
export async function openCreditApp(
  t: Teardown,
  options: { readonly payments?: PaymentProvider } = {},
) {
  const { database } = await createTestDatabase(t)
  const redis = openRedis({
    url: process.env['REDIS_CACHE_URL'] ?? '',
    role: 'cache',
    name: 'credit-test',
    onError: () => undefined,
  })
  const logger = createLogger('credit', 'silent')
  const metrics = createMetrics('credit')
  const events = createEvents(metrics, logger)
  const announcer = createAnnouncer({ database, redis, events })
  const { payments } = options
  const { app } = await buildApp({
    server: {
      logger,
      metrics,
      http: {
        host: '127.0.0.1',
        port: 0,
        allowedOrigins: [],
        trustedProxies: ['127.0.0.0/8'],
        drainMs: 0,
      },
      health: {},
    },
    session: {
      sessions: createSessions({ database, redis }),
      cookie: sessionCookie({ secure: true }),
    },
    limits: createRateLimits({ database, redis, profile: 'development' }),
    database,
    announcer,
    events,
    payments,
    aloneCreditsMax,
  })
  t.teardown(async () => {
    await app.close()
    redis.disconnect()
  })

  /** A signed-in user whose account holds these credits. */
  async function addUser(options: { role?: Role; credits?: number } = {}): Promise<TestUser> {
    const user = await createTestUser(database, { role: options.role ?? 'user' })
    const account = { userId: user.user.id, bonusCredits: options.credits ?? 0 }
    await inTransaction(database, tx => openAccount(tx, account))
    return user
  }

  return { app, database, redis, metrics, announcer, events, addUser }
}

/** Waits until the condition holds, at most twenty seconds. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000
  while (performance.now() < deadline) {
    if (await condition()) return
    await wait(10)
  }
  throw new Error(`still not so after 20 s: ${condition.toString()}`)
}
