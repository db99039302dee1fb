import type { Database } from '@funmagic/database/client'
import { createServer, type HttpServer, type ServerOptions } from '@funmagic/runtime/http-server'
import { nameAllFaults } from '@funmagic/runtime/validation'
import { createFeatures } from '@funmagic/session/features'
import { registerRateLimits } from '@funmagic/session/limit-requests'
import type { RateLimits } from '@funmagic/session/rate-limits'
import { registerSession } from '@funmagic/session/require-user'
import type { BrowserSessionOptions } from './browser-session.ts'
import type { Events } from './events.ts'
import type { Passwords } from './password.ts'
import { getFeatures, switchFeature } from './routes/features.ts'
import { getSession } from './routes/get-session.ts'
import { listAdminEvents } from './routes/list-admin-events.ts'
import { changeSettings, getSettings } from './routes/rate-limit-settings.ts'
import { signIn } from './routes/sign-in.ts'
import { signOut } from './routes/sign-out.ts'
import { signUp } from './routes/sign-up.ts'

export interface AuthDeps {
  readonly server: Omit<ServerOptions, 'service' | 'title' | 'description'>
  readonly database: Database
  readonly session: BrowserSessionOptions
  readonly limits: RateLimits
  readonly passwords: Passwords
  readonly bonusCredits: number
  readonly events: Events
  readonly forgetSettings: () => Promise<void>
}

export async function buildApp(deps: AuthDeps): Promise<HttpServer> {
  const { database, session, passwords, bonusCredits, events } = deps
  const features = createFeatures({
    database,
    onError: error => events.connectionFailed('postgres', error),
  })
  const httpServer = await createServer({
    ...deps.server,
    service: 'auth',
    title: 'FunMagic accounts',
    description: 'Signing up, in and out',
  })
  const { app } = httpServer
  await app.register(registerSession, session)
  await app.register(registerRateLimits, { limits: deps.limits })

  await app.register(async accounts => {
    accounts.addHook('onRequest', async (_request, reply) => {
      reply.header('cache-control', 'no-store')
    })
    const signingUp = { database, passwords, session, bonusCredits, events, features }
    await accounts.register(signUp, signingUp)
    await accounts.register(signIn, { database, passwords, session, events })
    await accounts.register(getSession)
    await accounts.register(signOut, { session, events })
  })

  await app.register(async operators => {
    operators.addHook('onRequest', async (_request, reply) => {
      reply.header('cache-control', 'no-store')
    })
    nameAllFaults(operators)
    const settings = { database, events, forgetSettings: deps.forgetSettings }
    await operators.register(getSettings, settings)
    await operators.register(changeSettings, settings)
    await operators.register(getFeatures, { database, events, features })
    await operators.register(switchFeature, { database, events, features })
    await operators.register(listAdminEvents, { database })
  })
  return httpServer
}
