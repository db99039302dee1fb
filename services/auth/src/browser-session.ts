import type { UserId } from '@funmagic/contract/ids'
import {
  clearSessionCookie,
  writeSessionCookie,
  type SessionPluginOptions,
} from '@funmagic/session/require-user'
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

/** Signs the browser out: its cookie goes, and every session that it sent is ended. */
export async function endBrowserSession(
  request: FastifyRequest,
  reply: FastifyReply,
  session: SessionPluginOptions,
): Promise<void> {
  await closePresented(request, session)
  clearSessionCookie(reply, session.cookie)
}

async function closePresented(request: FastifyRequest, { sessions }: SessionPluginOptions) {
  const tokens = request.sessionCookie().tokens.slice(0, presentedMax)
  for (const token of tokens) await sessions.closeSession(token)
}
