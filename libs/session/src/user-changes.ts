import type { UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import type { UserRole } from '@funmagic/contract/user'
import { sql } from '@funmagic/database/sql'
import type { Sessions } from './session.ts'
import { userColumns, type User } from './users.ts'

/** Takes effect at the user's next request, on every open session (ASVS 8.3.2); NOT_FOUND. */
export async function changeRole(
  sessions: Sessions,
  change: { userId: UserId; role: UserRole },
): Promise<User> {
  return sessions.changeUser(change.userId, async tx => {
    const { rows } = await tx.query<User>(sql`
      UPDATE users SET role = ${change.role}::user_role, updated_at = now()
      WHERE id = ${change.userId}::uuid
      RETURNING ${userColumns}
    `)
    if (rows[0] === undefined) throw new AppError('NOT_FOUND')
    return rows[0]
  })
}

/**
 * Ends all sessions of the user. Whoever has the password can open one that may look at, take away
 * and delete what is the user's, and nothing else until reinstateUser; NOT_FOUND.
 */
export async function suspendUser(sessions: Sessions, userId: UserId): Promise<void> {
  await sessions.changeUser(userId, async tx => {
    const suspended = await tx.query(sql`
      UPDATE users SET suspended_at = coalesce(suspended_at, now()), updated_at = now()
      WHERE id = ${userId}::uuid
    `)
    if (suspended.rowCount === 0) throw new AppError('NOT_FOUND')
    await tx.query(sql`DELETE FROM sessions WHERE user_id = ${userId}::uuid`)
  })
}

/** Lets a suspended user do everything again, in open sessions too; NOT_FOUND. */
export async function reinstateUser(sessions: Sessions, userId: UserId): Promise<void> {
  await sessions.changeUser(userId, async tx => {
    const reinstated = await tx.query(sql`
      UPDATE users SET suspended_at = NULL, updated_at = now() WHERE id = ${userId}::uuid
    `)
    if (reinstated.rowCount === 0) throw new AppError('NOT_FOUND')
  })
}
