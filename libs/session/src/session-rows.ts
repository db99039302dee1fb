import { createHash } from 'node:crypto'
import type { UserId } from '@funmagic/contract/ids'
import type { Queryable } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { userColumns, type User } from './users.ts'

/** Where a session was opened, as its owner is told. */
export interface SessionClient {
  readonly ipAddress: string | null
  readonly userAgent: string | null
}

/** What a session is beside its user and its idle expiry. */
export interface SessionFacts extends SessionClient {
  readonly sessionId: string
  /** The end that no use postpones. */
  readonly absoluteExpiresAt: Date
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** A session with its user, as one read of Postgres finds them. */
export interface StoredSession {
  readonly facts: SessionFacts
  readonly user: User
  /** The end that use postpones. */
  readonly expiresAt: Date
  /** users.session_epoch at the time of the read. */
  readonly epoch: number
}

const userAgentLengthMax = 512

/** What is at rest in place of a token: 200 random bits need no salt and no slow hash. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

/** Adds a session unless the user is gone; says whether it did. */
export async function insertSession(
  database: Queryable,
  session: { token: string; userId: UserId; expiresAt: Date; facts: SessionFacts },
): Promise<boolean> {
  const { facts } = session
  const inserted = await database.query(sql`
    INSERT INTO sessions (id, user_id, token, expires_at, absolute_expires_at, ip_address,
      user_agent, created_at, updated_at)
    SELECT ${facts.sessionId}::uuid, users.id, ${hashToken(session.token)}, ${session.expiresAt},
      ${facts.absoluteExpiresAt}, ${facts.ipAddress},
      ${facts.userAgent?.slice(0, userAgentLengthMax) ?? null}, ${facts.createdAt},
      ${facts.updatedAt}
    FROM users WHERE users.id = ${session.userId}::uuid
  `)
  return inserted.rowCount === 1
}

/** The session of a token hash with its user. */
export async function findStoredSession(
  database: Queryable,
  tokenHash: string,
): Promise<StoredSession | undefined> {
  const { rows } = await database.query<User & SessionColumns>(sql`
    SELECT ${userColumns}, users.session_epoch AS epoch, sessions.id AS "sessionId",
      sessions.expires_at AS "expiresAt", sessions.absolute_expires_at AS "absoluteExpiresAt",
      sessions.ip_address AS "ipAddress", sessions.user_agent AS "userAgent",
      sessions.created_at AS "openedAt", sessions.updated_at AS "extendedAt"
    FROM sessions JOIN users ON users.id = sessions.user_id
    WHERE sessions.token = ${tokenHash}
  `)
  return rows[0] === undefined ? undefined : toStoredSession(rows[0])
}

interface SessionColumns extends SessionClient {
  readonly epoch: number
  readonly sessionId: string
  readonly expiresAt: Date
  readonly absoluteExpiresAt: Date
  readonly openedAt: Date
  readonly extendedAt: Date
}

function toStoredSession(row: User & SessionColumns): StoredSession {
  const { epoch, expiresAt, absoluteExpiresAt, sessionId, ipAddress, userAgent } = row
  const { openedAt: createdAt, extendedAt: updatedAt } = row
  return {
    facts: { sessionId, absoluteExpiresAt, createdAt, updatedAt, ipAddress, userAgent },
    user: toUser(row),
    expiresAt,
    epoch,
  }
}

function toUser(row: User): User {
  const { id, email, name, image, role, emailVerified, isSuspended, createdAt, updatedAt } = row
  return { id, email, name, image, role, emailVerified, isSuspended, createdAt, updatedAt }
}

/** The owner of a session, live or not. */
export async function findOwner(
  database: Queryable,
  tokenHash: string,
): Promise<UserId | undefined> {
  const { rows } = await database.query<{ userId: UserId }>(sql`
    SELECT user_id AS "userId" FROM sessions WHERE token = ${tokenHash}
  `)
  return rows[0]?.userId
}

/** The user's epoch as committed at this moment. */
export async function findEpoch(database: Queryable, userId: UserId): Promise<number | undefined> {
  const { rows } = await database.query<{ epoch: number }>(sql`
    SELECT session_epoch AS epoch FROM users WHERE id = ${userId}::uuid
  `)
  return rows[0]?.epoch
}

/** Postpones the idle end, at most to the absolute one. */
export async function extendSession(
  database: Queryable,
  session: { tokenHash: string; expiresAt: Date },
): Promise<void> {
  await database.query(sql`
    UPDATE sessions
    SET expires_at = least(${session.expiresAt}, absolute_expires_at), updated_at = now()
    WHERE token = ${session.tokenHash}
  `)
}

/** Removes at most `limit` sessions whose idle end has passed; they are refused already. */
export async function deleteExpiredSessions(database: Queryable, limit: number): Promise<number> {
  const deleted = await database.query(sql`
    DELETE FROM sessions WHERE id IN (
      SELECT id FROM sessions WHERE expires_at < now()
      ORDER BY expires_at LIMIT ${limit} FOR UPDATE SKIP LOCKED
    )
  `)
  return deleted.rowCount ?? 0
}
