import { problems } from '@funmagic/contract/problem'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import Type from 'typebox'
import { endBrowserSession, type BrowserSessionOptions } from '../browser-session.ts'
import type { Events } from '../events.ts'

export interface SignOutDeps {
  readonly session: BrowserSessionOptions
  readonly events: Events
}

/** Answers the same without a session, so a browser with an old cookie gets rid of it. */
export const signOut: RoutePlugin<SignOutDeps> = async (app, { session, events }) => {
  app.post(
    '/api/auth/sign-out',
    {
      schema: {
        summary: 'End the session',
        response: { 200: Type.Object({ success: Type.Boolean() }), ...problems('RATE_LIMITED') },
      },
    },
    async (request, reply) => {
      await endBrowserSession(request, reply, session)
      events.signedOut({ requestId: request.id })
      return { success: true }
    },
  )
}
