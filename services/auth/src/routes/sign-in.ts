import { AppError, problems } from '@funmagic/contract/problem'
import { SignIn, UserView } from '@funmagic/contract/user'
import type { Database } from '@funmagic/database/client'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { canonicalEmail } from '@funmagic/session/email'
import type { SessionPluginOptions } from '@funmagic/session/require-user'
import { findCredential, toUserView } from '@funmagic/session/users'
import Type from 'typebox'
import { startBrowserSession } from '../browser-session.ts'
import type { Events } from '../events.ts'
import type { Passwords } from '../password.ts'

export interface SignInDeps {
  readonly database: Database
  readonly passwords: Passwords
  readonly session: SessionPluginOptions
  readonly events: Events
}

/** `redirect` and `url` tell better-auth/client to go where the page asked to go. */
const SignedIn = Type.Object({
  user: UserView,
  redirect: Type.Optional(Type.Boolean()),
  url: Type.Optional(Type.String()),
})

export const signIn: RoutePlugin<SignInDeps> = async (app, deps) => {
  app.post(
    '/api/auth/sign-in/email',
    {
      config: { rateLimit: 'authAction' },
      schema: {
        summary: 'Sign in with a password',
        body: SignIn,
        response: {
          200: SignedIn,
          ...problems(
            'VALIDATION_FAILED',
            'INVALID_EMAIL_OR_PASSWORD',
            'ACCOUNT_SUSPENDED',
            'RATE_LIMITED',
            'OVERLOADED',
          ),
        },
      },
    },
    async (request, reply) => {
      const { password, rememberMe, callbackURL: url } = request.body
      const requestId = request.id
      const email = canonicalEmail(request.body.email)
      const found = email === undefined ? undefined : await findCredential(deps.database, email)
      // Verified also when nobody was found: a stranger learns nothing from the answer's time.
      const isRight = await deps.passwords.verify(password, found?.passwordHash)
      if (found === undefined || !isRight) {
        deps.events.signInAttempted('refused', { requestId, userId: found?.user.id })
        throw new AppError('INVALID_EMAIL_OR_PASSWORD')
      }
      const { user } = found
      const isRemembered = rememberMe ?? true
      await startBrowserSession(request, reply, deps.session, { userId: user.id, isRemembered })
      if (user.isSuspended) {
        deps.events.signInAttempted('suspended', { requestId, userId: user.id })
        // With the cookie: it opens what a suspended user may still look at and take away.
        throw new AppError('ACCOUNT_SUSPENDED')
      }
      deps.events.signInAttempted('succeeded', { requestId, userId: user.id })
      const view = { user: toUserView(user) }
      return url === undefined ? view : { ...view, redirect: true, url }
    },
  )
}
