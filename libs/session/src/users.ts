import { newId, type UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import type { UserRole, UserView } from '@funmagic/contract/user'
import type { Queryable } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'

export interface User {
  readonly id: UserId
  readonly email: string
  readonly name: string
  readonly image: string | null
  readonly role: UserRole
  readonly emailVerified: boolean
  /** May look at, take away and delete what is theirs, and nothing else (reliability §5). */
  readonly isSuspended: boolean
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface NewUser {
  /** In canonical form (email.ts). */
  readonly email: string
  readonly name: string
  readonly image?: string | undefined
  readonly role?: UserRole
}

/** A user with the password's hash, which is null for one who only signs in elsewhere. */
export interface Credential {
  readonly user: User
  readonly passwordHash: string | null
}

export const userColumns = sql`
  users.id, users.email, users.name, users.image, users.role,
  users.email_verified AS "emailVerified", users.suspended_at IS NOT NULL AS "isSuspended",
  users.created_at AS "createdAt", users.updated_at AS "updatedAt"
`

/** Adds a user; throws USER_ALREADY_EXISTS when the email is taken, whoever comes second. */
export async function createUser(tx: Queryable, user: NewUser): Promise<User> {
  const { rows } = await tx.query<User>(sql`
    INSERT INTO users (id, email, name, image, role)
    VALUES (${newId()}::uuid, ${user.email}, ${user.name.normalize('NFC').trim()},
      ${user.image ?? null}, ${user.role ?? 'user'}::user_role)
    ON CONFLICT (email) DO NOTHING
    RETURNING ${userColumns}
  `)
  if (rows[0] === undefined) throw new AppError('USER_ALREADY_EXISTS')
  return rows[0]
}

/** Lets the user sign in with a password; belongs in the transaction that creates the user. */
export async function addCredential(
  tx: Transaction,
  credential: { userId: UserId; passwordHash: string },
): Promise<void> {
  await tx.query(sql`
    INSERT INTO accounts (id, user_id, provider_id, account_id, password_hash)
    VALUES (${newId()}::uuid, ${credential.userId}::uuid, 'credential', ${credential.userId},
      ${credential.passwordHash})
  `)
}

/** Who signs in with this canonical email, and the hash to check the password against. */
export async function findCredential(
  database: Queryable,
  email: string,
): Promise<Credential | undefined> {
  const { rows } = await database.query<User & Omit<Credential, 'user'>>(sql`
    SELECT ${userColumns}, accounts.password_hash AS "passwordHash"
    FROM users
    LEFT JOIN accounts ON accounts.user_id = users.id AND accounts.provider_id = 'credential'
    WHERE users.email = ${email}
  `)
  if (rows[0] === undefined) return undefined
  const { passwordHash, ...user } = rows[0]
  return { user, passwordHash }
}

/** The names that users have given themselves, for what they show to everybody. */
export async function findNames(
  database: Queryable,
  userIds: readonly UserId[],
): Promise<Map<UserId, string>> {
  const { rows } = await database.query<{ id: UserId; name: string }>(sql`
    SELECT id, name FROM users WHERE id = ANY(${userIds}::uuid[])
  `)
  return new Map(rows.map(({ id, name }) => [id, name]))
}

/** Whether the user is there and not suspended: what such a user shares is to be seen by nobody. */
export async function isActive(database: Queryable, userId: UserId): Promise<boolean> {
  const { rows } = await database.query(sql`
    SELECT 1 FROM users WHERE id = ${userId} AND suspended_at IS NULL
  `)
  return rows.length > 0
}

/** The user as clients see it. */
export function toUserView({ isSuspended: _isSuspended, ...user }: User): UserView {
  return {
    ...user,
    createdAt: user.createdAt.toISOString(),
    updatedAt: user.updatedAt.toISOString(),
  }
}
