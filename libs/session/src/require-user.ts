import cookiePlugin from '@fastify/cookie'
import { AppError } from '@funmagic/contract/problem'
import type { UserRole } from '@funmagic/contract/user'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import plugin from 'fastify-plugin'
import { readSessionCookie, type PresentedCookie, type SessionCookie } from './cookie.ts'
import type { LiveSession, OpenedSession, Sessions } from './session.ts'
import type { User } from './users.ts'

// The one file of this library, besides limit-requests.ts, that knows Fastify.

declare module 'fastify' {
  interface FastifyRequest {
    /** Who is calling, once one of the hooks or findUser has asked; null for nobody. */
    user: User | null
    /** The caller's session, known together with the user. */
    session: LiveSession | null
    /** Reads the session at the first call and remembers it for the request. */
    loadSession: () => Promise<LiveSession | null>
    sessionLoading: Promise<LiveSession | null> | null
    sessionCookie: () => PresentedCookie
  }
}

export interface SessionPluginOptions {
  readonly sessions: Sessions
  readonly cookie: SessionCookie
}

/**
 * Lets the routes of an app ask who is calling. The session is read only when somebody asks. Two
 * different session cookies in one request are UNAUTHORIZED: one of them was put there by somebody
 * else, and nothing tells which (cookie tossing; reliability §4, Cookies).
 */
export const registerSession = plugin(
  async (app: FastifyInstance, { sessions, cookie }: SessionPluginOptions) => {
    await app.register(cookiePlugin)
    app.decorateRequest('user', null)
    app.decorateRequest('session', null)
    app.decorateRequest('sessionLoading', null)
    app.decorateRequest('sessionCookie', function (this: FastifyRequest) {
      return readSessionCookie(this.headers.cookie, cookie.name)
    })
    app.decorateRequest('loadSession', function (this: FastifyRequest) {
      this.sessionLoading ??= loadSession(this, sessions)
      return this.sessionLoading
    })
  },
  { name: 'funmagic-session' },
)

async function loadSession(
  request: FastifyRequest,
  sessions: Sessions,
): Promise<LiveSession | null> {
  const { tokens, isAmbiguous } = request.sessionCookie()
  if (isAmbiguous) {
    const suggestion = 'Two session cookies were sent. Delete the cookies of this site.'
    throw new AppError('UNAUTHORIZED', { details: { suggestion } })
  }
  const token = tokens[0]
  request.session = token === undefined ? null : ((await sessions.findSession(token)) ?? null)
  request.user = request.session?.user ?? null
  return request.session
}

/**
 * Hook of what also a suspended user may do: look at, take away and delete what is theirs, and
 * cancel. UNAUTHORIZED without a live session.
 */
export async function requireSession(request: FastifyRequest): Promise<void> {
  const session = await request.loadSession()
  if (session === null) throw new AppError('UNAUTHORIZED')
}

/** Hook of everything else for the signed in: UNAUTHORIZED, or ACCOUNT_SUSPENDED. */
export async function requireUser(request: FastifyRequest): Promise<void> {
  await requireSession(request)
  if (userOf(request).isSuspended) throw new AppError('ACCOUNT_SUSPENDED')
}

/** Hook of an admin scope: as requireUser, and FORBIDDEN without the role (S6). */
export function requireRole(role: UserRole): (request: FastifyRequest) => Promise<void> {
  return async request => {
    await requireUser(request)
    if (rankOf[userOf(request).role] < rankOf[role]) throw new AppError('FORBIDDEN')
  }
}

/** Each role may do all that the ones below it may (S6). */
const rankOf: Readonly<Record<UserRole, number>> = { user: 0, admin: 1, super_admin: 2 }

/** The caller behind one of these hooks. */
export function userOf(request: FastifyRequest): User {
  if (request.user === null) throw new AppError('UNAUTHORIZED')
  return request.user
}

/** The caller of a public route, or null; UNAUTHORIZED only for two different cookies. */
export async function findUser(request: FastifyRequest): Promise<User | null> {
  const session = await request.loadSession()
  return session?.user ?? null
}

/**
 * Hands the token to the browser. The cookie lasts as long as the session can, or until the
 * browser closes; the idle end is the server's to keep, so the cookie is written only once.
 */
export function writeSessionCookie(
  reply: FastifyReply,
  cookie: SessionCookie,
  opened: OpenedSession & { isRemembered: boolean },
): void {
  reply.setCookie(cookie.name, opened.token, {
    ...attributesOf(cookie),
    ...(opened.isRemembered ? { expires: opened.absoluteExpiresAt } : {}),
  })
}

/** Makes the browser drop the cookie. */
export function clearSessionCookie(reply: FastifyReply, cookie: SessionCookie): void {
  reply.clearCookie(cookie.name, attributesOf(cookie))
}

function attributesOf(cookie: SessionCookie) {
  return {
    path: '/',
    httpOnly: true,
    secure: cookie.isSecure,
    sameSite: 'lax' as const,
    ...(cookie.domain === undefined ? {} : { domain: cookie.domain }),
  }
}
