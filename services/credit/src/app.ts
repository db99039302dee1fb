import type { Database } from '@funmagic/database/client'
import { createServer, type HttpServer, type ServerOptions } from '@funmagic/runtime/http-server'
import { createFeatures } from '@funmagic/session/features'
import { registerRateLimits } from '@funmagic/session/limit-requests'
import type { RateLimits } from '@funmagic/session/rate-limits'
import {
  registerSession,
  requireRole,
  requireSession,
  requireUser,
  type SessionPluginOptions,
} from '@funmagic/session/require-user'
import type { Announcer } from './announce-credits.ts'
import type { Events } from './events.ts'
import { adjustCredits } from './routes/adjust-credits.ts'
import { decideAdjustments } from './routes/decide-adjustments.ts'
import { getBalance } from './routes/get-balance.ts'
import { grantCredits } from './routes/grant-credits.ts'
import { listAdjustments } from './routes/list-adjustments.ts'
import { listGrants } from './routes/list-grants.ts'
import { listPackages } from './routes/list-packages.ts'
import { listPayments } from './routes/list-payments.ts'
import { listTransactions } from './routes/list-transactions.ts'
import { paymentEvents } from './routes/payment-events.ts'
import { readAccounts } from './routes/read-accounts.ts'
import { startCheckout } from './routes/start-checkout.ts'
import { stripeWebhook } from './routes/stripe-webhook.ts'
import type { PaymentProvider } from './stripe/stripe-payments.ts'

export interface CreditDeps {
  readonly server: Omit<ServerOptions, 'service' | 'title' | 'description'>
  readonly session: SessionPluginOptions
  readonly limits: RateLimits
  readonly database: Database
  readonly announcer: Announcer
  readonly events: Events
  /** Without it nobody can buy anything. */
  readonly payments: PaymentProvider | undefined
  readonly aloneCreditsMax: number
}

export async function buildApp(deps: CreditDeps): Promise<HttpServer> {
  const { database, announcer, events, payments, aloneCreditsMax } = deps
  const features = createFeatures({
    database,
    onError: error => events.connectionFailed('postgres', error),
  })
  const httpServer = await createServer({
    ...deps.server,
    service: 'credit',
    title: 'FunMagic credits',
    description: 'What users own and what they spent',
  })
  const { app } = httpServer
  await app.register(registerSession, deps.session)
  await app.register(registerRateLimits, { limits: deps.limits })

  await app.register(listPackages, { database })
  await app.register(stripeWebhook, { database, announcer, events, payments })

  await app.register(async readers => {
    readers.addHook('onRequest', requireSession)
    await readers.register(getBalance, { database })
    await readers.register(listTransactions, { database })
    await readers.register(listGrants, { database })
    await readers.register(listPayments, { database })
  })
  await app.register(async users => {
    users.addHook('onRequest', requireUser)
    await users.register(startCheckout, { database, payments, features })
  })

  await app.register(async admins => {
    admins.addHook('onRequest', requireRole('admin'))
    await admins.register(readAccounts, { database })
  })

  await app.register(async superAdmins => {
    superAdmins.addHook('onRequest', requireRole('super_admin'))
    const operators = { database, announcer, events, aloneCreditsMax }
    await superAdmins.register(adjustCredits, operators)
    await superAdmins.register(grantCredits, operators)
    await superAdmins.register(listAdjustments, { database })
    await superAdmins.register(decideAdjustments, operators)
    await superAdmins.register(paymentEvents, { database, announcer, events })
  })
  return httpServer
}
