import type { ReservationId, UserId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'
import { lockAccount } from './chain.ts'

/**
 * Which grants pay for what. A balance is what grants hold (granted_balance), which expires, and
 * the rest, which does not. Tasks spend the grants first, in the order of priority and expiry;
 * adjustments and refunds of purchases take the rest first. Every caller holds the lock of the
 * account, so that these statements see and change what nobody else does.
 */

/** Up to this long after a grant was to expire, credits that come back to it can be used. */
const graceHours = 24
const graceDaysMax = 7

interface Draw {
  readonly userId: UserId
  readonly reservationId: ReservationId
  readonly amount: number
}

/** Takes the amount out of the grants for a reservation, and notes which they were. */
export async function drawForReservation(tx: Transaction, draw: Draw): Promise<void> {
  const { userId, reservationId, amount } = draw
  await tx.query(sql`
    WITH spendable AS (${spendable(userId)}),
    drawn AS (
      UPDATE credit_grants g SET remaining = g.remaining - least(s.remaining, ${amount} - s.before)
      FROM spendable s WHERE g.id = s.id AND s.before < ${amount}
      RETURNING g.id, least(s.remaining, ${amount} - s.before) AS amount, s.before
    ), noted AS (
      INSERT INTO credit_grant_uses (reservation_id, grant_id, ordinal, amount)
      SELECT ${reservationId}, id, row_number() OVER (ORDER BY before), amount FROM drawn
    ), marked AS (
      UPDATE credit_reservations SET granted_amount = (SELECT sum(amount) FROM drawn)
      WHERE id = ${reservationId}
    )
    UPDATE credits SET granted_balance = granted_balance - (SELECT sum(amount) FROM drawn)
    WHERE user_id = ${userId}
  `)
}

/** Takes from the grants what they hold beyond the balance, after something else took of it. */
export async function trimGrants(tx: Transaction, userId: UserId): Promise<void> {
  const { balance, grantedBalance } = await lockAccount(tx, userId)
  const amount = grantedBalance - balance
  if (amount <= 0) return
  await tx.query(sql`
    WITH spendable AS (${spendable(userId)}),
    drawn AS (
      UPDATE credit_grants g SET remaining = g.remaining - least(s.remaining, ${amount} - s.before),
        taken_amount = g.taken_amount + least(s.remaining, ${amount} - s.before)
      FROM spendable s WHERE g.id = s.id AND s.before < ${amount}
    )
    UPDATE credits SET granted_balance = balance WHERE user_id = ${userId}
  `)
}

function spendable(userId: UserId) {
  return sql`
    SELECT id, remaining, (sum(remaining) OVER spending - remaining)::bigint AS before
    FROM credit_grants WHERE user_id = ${userId} AND remaining > 0
    WINDOW spending AS (ORDER BY priority, usable_until, id)`
}

/**
 * Gives credits back to the grants that a reservation drew them from, the last drawn first. A
 * grant that expired meanwhile, or is about to, can be used for another day, so that a failed task
 * costs nobody anything; but not later than a week after its promised end.
 */
export async function returnToGrants(
  tx: Transaction,
  { userId, reservationId, amount }: Draw,
): Promise<void> {
  await tx.query(sql`
    WITH used AS (
      SELECT grant_id, amount, (sum(amount) OVER (ORDER BY ordinal DESC) - amount)::bigint AS before
      FROM credit_grant_uses WHERE reservation_id = ${reservationId}
    ), returned AS (
      UPDATE credit_grant_uses u SET returned_amount = least(used.amount, ${amount} - used.before)
      FROM used WHERE u.reservation_id = ${reservationId} AND u.grant_id = used.grant_id
        AND used.before < ${amount}
      RETURNING u.grant_id, u.returned_amount
    ), filled AS (
      UPDATE credit_grants g SET remaining = g.remaining + returned.returned_amount,
        usable_until = greatest(g.usable_until, least(now() + ${graceHours} * interval '1 hour',
          g.expires_at + ${graceDaysMax} * interval '1 day'))
      FROM returned WHERE g.id = returned.grant_id
    )
    UPDATE credits SET granted_balance = granted_balance + ${amount} WHERE user_id = ${userId}
  `)
}
