import type { UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import type { UserRole } from '@funmagic/contract/user'
import type { Queryable } from '@funmagic/database/client'
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

/** Ends all sessions of the user and lets none be opened until reinstateUser; NOT_FOUND. */
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

/** Lets a suspended user sign in again; NOT_FOUND. */
export async function reinstateUser(database: Queryable, userId: UserId): Promise<void> {
  const reinstated = await database.query(sql`
    UPDATE users SET suspended_at = NULL, updated_at = now() WHERE id = ${userId}::uuid
  `)
  if (reinstated.rowCount === 0) throw new AppError('NOT_FOUND')
}
