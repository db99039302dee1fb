import { AppError, problems } from '@funmagic/contract/problem'
import { SignUp, UserView } from '@funmagic/contract/user'
import type { Database } from '@funmagic/database/client'
import { inTransaction } from '@funmagic/database/transaction'
import { openAccount } from '@funmagic/ledger/accounts'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { canonicalEmail } from '@funmagic/session/email'
import type { Features } from '@funmagic/session/features'
import type { SessionPluginOptions } from '@funmagic/session/require-user'
import { addCredential, createUser, toUserView, type User } from '@funmagic/session/users'
import Type from 'typebox'
import { startBrowserSession } from '../browser-session.ts'
import type { Events } from '../events.ts'
import type { Passwords } from '../password.ts'

export interface SignUpDeps {
  readonly database: Database
  readonly passwords: Passwords
  readonly session: SessionPluginOptions
  readonly bonusCredits: number
  readonly events: Events
  readonly features: Features
}

export const signUp: RoutePlugin<SignUpDeps> = async (app, deps) => {
  app.post(
    '/api/auth/sign-up/email',
    {
      config: { rateLimit: 'authAction' },
      schema: {
        summary: 'Create a user with a password, and sign in',
        body: SignUp,
        response: {
          200: Type.Object({ user: UserView }),
          ...problems('VALIDATION_FAILED', 'FEATURE_OFF', 'USER_ALREADY_EXISTS'),
          ...problems('RATE_LIMITED', 'OVERLOADED'),
        },
      },
    },
    async (request, reply) => {
      await deps.features.requireOpen('sign-up', null)
      const { name, image, password, rememberMe } = request.body
      const email = canonicalEmail(request.body.email)
      if (email === undefined) throw notAnAddress()
      const passwordHash = await deps.passwords.hash(password)

      const user = await addUser(deps, { name, image, email, passwordHash })

      const isRemembered = rememberMe ?? true
      await startBrowserSession(request, reply, deps.session, { userId: user.id, isRemembered })
      deps.events.signedUp({ requestId: request.id, userId: user.id })
      return { user: toUserView(user) }
    },
  )
}

/** The user, the credential and the account with its bonus exist together or not at all. */
function addUser(
  { database, bonusCredits }: SignUpDeps,
  wanted: { name: string; image: string | undefined; email: string; passwordHash: string },
): Promise<User> {
  const { passwordHash, ...person } = wanted
  return inTransaction(database, async tx => {
    const user = await createUser(tx, person)
    await addCredential(tx, { userId: user.id, passwordHash })
    await openAccount(tx, { userId: user.id, bonusCredits })
    return user
  })
}

function notAnAddress(): AppError {
  const suggestion = 'must be an ASCII address such as ada@example.com'
  return new AppError('VALIDATION_FAILED', { details: { in: 'body', field: 'email', suggestion } })
}
