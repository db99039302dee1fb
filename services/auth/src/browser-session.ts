import type { UserId } from '@funmagic/contract/ids'
import {
  clearSessionCookie,
  writeSessionCookie,
  type SessionPluginOptions,
} from '@funmagic/session/require-user'
import { clearGalleryCookies, type GalleryCookieScope } from '@funmagic/session/gallery-cookies'
import type { FastifyReply, FastifyRequest } from 'fastify'

// A browser holds one session cookie; more than a few come from no browser.
const presentedMax = 4
const userAgentMax = 512

/** Signs the browser in with a fresh token and ends the session that it had (ASVS 7.2.4). */
export async function startBrowserSession(
  request: FastifyRequest,
  reply: FastifyReply,
  { sessions, cookie }: SessionPluginOptions,
  who: { userId: UserId; isRemembered: boolean },
): Promise<void> {
  await closePresented(request, { sessions, cookie })
  const userAgent = request.headers['user-agent']?.slice(0, userAgentMax) ?? null
  const opened = await sessions.openSession(who.userId, { ipAddress: request.ip, userAgent })
  writeSessionCookie(reply, cookie, { ...opened, isRemembered: who.isRemembered })
}

export interface BrowserSessionOptions extends SessionPluginOptions {
  /** Where the asset service lets browsers into galleries by cookies; undefined for nowhere. */
  readonly galleryCookies: GalleryCookieScope | undefined
}

/**
 * Signs the browser out: its cookies go, also those that open the gallery, and every session that
 * it sent is ended.
 */
export async function endBrowserSession(
  request: FastifyRequest,
  reply: FastifyReply,
  { galleryCookies: scope, ...session }: BrowserSessionOptions,
): Promise<void> {
  if (scope !== undefined) {
    for (const userId of await findPresented(request, session)) {
      for (const line of clearGalleryCookies(userId, scope)) reply.header('set-cookie', line)
    }
  }
  await closePresented(request, session)
  clearSessionCookie(reply, session.cookie)
}

async function findPresented(
  request: FastifyRequest,
  { sessions }: SessionPluginOptions,
): Promise<Set<UserId>> {
  const tokens = request.sessionCookie().tokens.slice(0, presentedMax)
  const users = new Set<UserId>()
  for (const token of tokens) {
    const session = await sessions.findSession(token)
    if (session) users.add(session.user.id)
  }
  return users
}

async function closePresented(request: FastifyRequest, { sessions }: SessionPluginOptions) {
  const tokens = request.sessionCookie().tokens.slice(0, presentedMax)
  for (const token of tokens) await sessions.closeSession(token)
}
