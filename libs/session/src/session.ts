import { Lucia, TimeSpan, type Adapter } from 'lucia'
import { newId, type UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import type { SessionView } from '@funmagic/contract/user'
import type { Database } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { inTransaction, sqlStateOf, type Transaction } from '@funmagic/database/transaction'
import type { Redis } from './cache-link.ts'
import { createSessionCache, type SessionCache } from './session-cache.ts'
import {
  deleteExpiredSessions,
  extendSession,
  findEpoch,
  findOwner,
  findStoredSession,
  hashToken,
  insertSession,
  type SessionClient,
  type SessionFacts,
  type StoredSession,
} from './session-rows.ts'
import type { User } from './users.ts'

export type { SessionClient } from './session-rows.ts'

/** A session that was live when it was asked for. The token is a secret: never log or send it. */
export interface LiveSession extends SessionClient {
  readonly sessionId: string
  readonly token: string
  readonly user: User
  /** The earlier of the idle and the absolute end. */
  readonly expiresAt: Date
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface OpenedSession {
  readonly token: string
  readonly absoluteExpiresAt: Date
}

/** Who is calling. Postgres is the authority; while Redis is away everything is only slower. */
export interface Sessions {
  /** Opens a session with a fresh token; UNAUTHORIZED when the user is gone. */
  openSession(userId: UserId, client: SessionClient): Promise<OpenedSession>
  /** The live session of a token; postpones the idle end when half of it has passed (ASVS 7.3). */
  findSession(token: string): Promise<LiveSession | undefined>
  /** Ends the session; once it returns, the token is refused everywhere (Z4). */
  closeSession(token: string): Promise<void>
  /** Ends all sessions of the user, with the same promise. */
  closeAllSessions(userId: UserId): Promise<void>
  /** Runs a change of what sessions show or allow; once it returns, every request sees it (Z5). */
  changeUser<Result>(userId: UserId, change: (tx: Transaction) => Promise<Result>): Promise<Result>
  /** Clears away at most `limit` sessions that have ended by themselves; returns how many. */
  deleteExpired(limit: number): Promise<number>
}

const dayMs = 86_400_000
const idleDays = 10
const absoluteMs = 30 * dayMs

/** `onCacheError` is told of each failure of Redis that a request survived. */
export function createSessions(deps: {
  database: Database
  redis: Redis
  onCacheError?: (error: unknown) => void
}): Sessions {
  const { database } = deps
  const cache = createSessionCache(deps.redis, error => deps.onCacheError?.(error))
  const lucia = createLucia(createAdapter(database, cache))

  return {
    openSession: async (userId, client) => {
      const facts = describeSession(client, new Date())
      const { id: token } = await lucia.createSession(userId, facts)
      return { token, absoluteExpiresAt: facts.absoluteExpiresAt }
    },
    findSession: async token => {
      const { session, user } = await lucia.validateSession(token)
      if (session === null) return undefined
      const { absoluteExpiresAt, ...facts } = session.facts
      const endsMs = Math.min(session.expiresAt.getTime(), absoluteExpiresAt.getTime())
      return { ...facts, token, user, expiresAt: new Date(endsMs) }
    },
    closeSession: token => lucia.invalidateSession(token),
    closeAllSessions: userId => lucia.invalidateUserSessions(userId),
    changeUser: (userId, change) => revoke({ database, cache }, userId, change),
    deleteExpired: limit => deleteExpiredSessions(database, limit),
  }
}

/** The session as its owner sees it. */
export function toSessionView(session: LiveSession): SessionView {
  return {
    id: session.sessionId,
    userId: session.user.id,
    expiresAt: session.expiresAt.toISOString(),
    createdAt: session.createdAt.toISOString(),
    updatedAt: session.updatedAt.toISOString(),
    ipAddress: session.ipAddress,
    userAgent: session.userAgent,
  }
}

/** The facts of a session that is opened at this moment. */
export function describeSession(client: SessionClient, now: Date): SessionFacts {
  const absoluteExpiresAt = new Date(now.getTime() + absoluteMs)
  return { ...client, sessionId: newId(), absoluteExpiresAt, createdAt: now, updatedAt: now }
}

declare module 'lucia' {
  interface Register {
    Lucia: ReturnType<typeof createLucia>
    DatabaseSessionAttributes: SessionFacts
    DatabaseUserAttributes: User
  }
}

/** Lucia makes the tokens (200 random bits) and keeps the idle end; it expires at half life. */
function createLucia(adapter: Adapter) {
  return new Lucia(adapter, {
    sessionExpiresIn: new TimeSpan(idleDays, 'd'),
    getSessionAttributes: (facts: SessionFacts) => ({ facts }),
    getUserAttributes: (user: User) => user,
  })
}

/**
 * Lucia's view of the tables. Lucia would store the token itself; here it ends at this border,
 * and what goes on to Postgres and Redis is its hash.
 */
function createAdapter(database: Database, cache: SessionCache): Adapter {
  const find = (token: string) => findThroughCache({ database, cache }, hashToken(token))
  return {
    getSessionAndUser: async token => {
      const stored = await find(token)
      if (stored === undefined || hasEnded(stored.facts.absoluteExpiresAt)) return [null, null]
      const { user, facts } = stored
      return [
        { id: token, userId: user.id, expiresAt: idleEnd(stored), attributes: facts },
        { id: user.id, attributes: user },
      ]
    },
    setSession: async session => {
      const { id: token, userId, expiresAt, attributes: facts } = session
      const isInserted = await insertSession(database, { token, userId, expiresAt, facts })
      if (!isInserted) throw new AppError('UNAUTHORIZED')
    },
    updateSessionExpiration: async (token, expiresAt) => {
      const tokenHash = hashToken(token)
      try {
        await extendSession(database, { tokenHash, expiresAt })
      } catch (error) {
        if (!isOutOfSpace(error)) throw error
        // It lives on to the end that it had, and its next use postpones that: nobody who only
        // reads is refused because the disk is full (P-6).
        return
      }
      await cache.drop(tokenHash)
    },
    deleteSession: async token => {
      const tokenHash = hashToken(token)
      const userId = await findOwner(database, tokenHash)
      if (userId === undefined) return
      await revoke({ database, cache }, userId, tx =>
        tx.query(sql`DELETE FROM sessions WHERE token = ${tokenHash}`),
      )
    },
    deleteUserSessions: async userId => {
      await revoke({ database, cache }, userId, tx =>
        tx.query(sql`DELETE FROM sessions WHERE user_id = ${userId}::uuid`),
      )
    },
    getUserSessions: async () => {
      throw new Error('tokens cannot be listed: only their hashes are kept')
    },
    deleteExpiredSessions: async () => {
      await deleteExpiredSessions(database, expiredBatchMax)
    },
  }
}

/** An end that no use can postpone any more is kept from Lucia, who would try at each request. */
function idleEnd({ expiresAt, facts }: StoredSession): Date {
  const isPostponable = expiresAt.getTime() < facts.absoluteExpiresAt.getTime()
  return isPostponable ? expiresAt : new Date(Date.now() + idleDays * dayMs)
}

const expiredBatchMax = 1_000

async function findThroughCache(
  deps: { database: Database; cache: SessionCache },
  tokenHash: string,
): Promise<StoredSession | undefined> {
  const cached = await deps.cache.find(tokenHash)
  if (cached !== undefined) return cached
  const readAtMs = Date.now()
  const session = await findStoredSession(deps.database, tokenHash)
  // Rare, and so never taken from a cache for somebody who may do everything.
  if (session === undefined || session.user.isSuspended) return session
  const readEpoch = () => findEpoch(deps.database, session.user.id)
  await deps.cache.keep({ tokenHash, session, readAtMs, readEpoch })
  return session
}

/** A change that ends sessions or what they allow, kept from being overtaken by the cache. */
async function revoke<Result>(
  deps: { database: Database; cache: SessionCache },
  userId: UserId,
  change: (tx: Transaction) => Promise<Result>,
): Promise<Result> {
  await deps.cache.block(userId)
  try {
    return await inTransaction(deps.database, async tx => {
      await tx.query(sql`
        UPDATE users SET session_epoch = session_epoch + 1 WHERE id = ${userId}::uuid
      `)
      return change(tx)
    })
  } finally {
    await deps.cache.forget(userId)
  }
}

function hasEnded(at: Date): boolean {
  return at.getTime() <= Date.now()
}

const diskFull = '53100'

function isOutOfSpace(error: unknown): boolean {
  return sqlStateOf(error) === diskFull
}
