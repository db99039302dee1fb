import type { Database } from '@funmagic/database/client'
import type { Entry } from '@funmagic/ledger/entries'
import { createServer, type HttpServer, type ServerOptions } from '@funmagic/runtime/http-server'
import { registerRateLimits } from '@funmagic/session/limit-requests'
import type { RateLimits } from '@funmagic/session/rate-limits'
import {
  registerSession,
  requireRole,
  requireUser,
  type SessionPluginOptions,
} from '@funmagic/session/require-user'
import type { Events } from './events.ts'
import { adjustCredits } from './routes/adjust-credits.ts'
import { getBalance } from './routes/get-balance.ts'
import { listPackages } from './routes/list-packages.ts'
import { listTransactions } from './routes/list-transactions.ts'

export interface CreditDeps {
  readonly server: Omit<ServerOptions, 'service' | 'title' | 'description'>
  readonly session: SessionPluginOptions
  readonly limits: RateLimits
  readonly database: Database
  readonly announceBalance: (entry: Entry) => void
  readonly events: Events
}

export async function buildApp(deps: CreditDeps): Promise<HttpServer> {
  const { database, announceBalance, events } = deps
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

  await app.register(async signedIn => {
    signedIn.addHook('onRequest', requireUser)
    await signedIn.register(getBalance, { database })
    await signedIn.register(listTransactions, { database })
  })

  await app.register(async superAdmins => {
    superAdmins.addHook('onRequest', requireRole('super_admin'))
    await superAdmins.register(adjustCredits, { database, announceBalance, events })
  })
  return httpServer
}
