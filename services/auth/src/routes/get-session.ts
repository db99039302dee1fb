import { problems } from '@funmagic/contract/problem'
import { SessionView, UserView } from '@funmagic/contract/user'
import type { RoutePlugin } from '@funmagic/runtime/http-server'
import { toSessionView } from '@funmagic/session/session'
import { toUserView } from '@funmagic/session/users'
import Type from 'typebox'

const Reply = Type.Union([Type.Object({ session: SessionView, user: UserView }), Type.Null()])

export const getSession: RoutePlugin = async app => {
  app.get(
    '/api/auth/get-session',
    {
      config: { rateLimit: 'authSession' },
      schema: {
        summary: 'Who is signed in, or null',
        response: { 200: Reply, ...problems('UNAUTHORIZED', 'RATE_LIMITED') },
      },
    },
    async request => {
      const session = await request.loadSession()
      if (session === null) return null
      return { session: toSessionView(session), user: toUserView(session.user) }
    },
  )
}
