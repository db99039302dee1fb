import type { CreditTransactionType } from '@funmagic/contract/credit'
import type { ReservationId, UserId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'

/** One line of an account's history. Lines are never changed or removed (M4). */
export interface Entry {
  readonly id: string
  readonly userId: UserId
  /** Dense per user, from 1. */
  readonly seq: number
  readonly type: CreditTransactionType
  readonly amount: number
  readonly balanceAfter: number
  readonly reservedAfter: number
  readonly referenceId: string | null
  readonly reservationId: ReservationId | null
  readonly actorId: UserId | null
  readonly description: string | null
  readonly createdAt: Date
}

export interface NewEntry {
  readonly userId: UserId
  readonly type: 'purchase' | 'bonus' | 'refund' | 'admin_adjust'
  /** Positive; an admin_adjust may be negative. */
  readonly amount: number
  /** What caused it. One (type, referenceId) is posted once. */
  readonly referenceId: string
  /** The operator, for an admin_adjust. */
  readonly actorId?: UserId | undefined
  readonly description?: string | undefined
}

export const entryColumns = sql`
  id, user_id AS "userId", seq, type, amount, balance_after AS "balanceAfter",
  reserved_after AS "reservedAfter", reference_id AS "referenceId",
  reservation_id AS "reservationId", actor_id AS "actorId", description,
  created_at AS "createdAt"`
