import { generateIdFromEntropySize } from 'lucia'
import { newId } from '@funmagic/contract/ids'
import type { UserRole } from '@funmagic/contract/user'
import type { Database } from '@funmagic/database/client'
import { sessionCookie } from './cookie.ts'
import { insertSession } from './session-rows.ts'
import { describeSession } from './session.ts'
import { createUser, type User } from './users.ts'

export interface TestUser {
  readonly user: User
  readonly token: string
  /** The value of a Cookie header that carries the user's session. */
  readonly cookie: string
}

/**
 * A user with an open session and no credits, for tests of other packages. The cookie has the
 * `__Host-` name unless the app under test runs with COOKIE_SECURE=false.
 */
export async function createTestUser(
  database: Database,
  options: { role?: UserRole; email?: string; name?: string; secure?: boolean } = {},
): Promise<TestUser> {
  const user = await createUser(database, {
    email: options.email ?? `user-${newId()}@example.test`,
    name: options.name ?? 'Test User',
    role: options.role ?? 'user',
  })
  const token = generateIdFromEntropySize(25)
  const facts = describeSession({ ipAddress: null, userAgent: null }, new Date())
  const expiresAt = facts.absoluteExpiresAt
  await insertSession(database, { token, userId: user.id, expiresAt, facts })
  const { name } = sessionCookie({ secure: options.secure ?? true })
  return { user, token, cookie: `${name}=${token}` }
}
