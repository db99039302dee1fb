import type { CreditTransactionType } from '@funmagic/contract/credit'
import type { ReservationId, UserId } from '@funmagic/contract/ids'
import type { PageOf, PageRequest } from '@funmagic/contract/page'
import type { Queryable } from '@funmagic/database/client'
import type { Transaction } from '@funmagic/database/transaction'

/** One line of an account's history. Lines are never changed or removed (M4). */
export interface Entry {
  readonly id: string
  readonly userId: UserId
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

export type Posting =
  | { readonly kind: 'posted'; readonly entry: Entry }
  | { readonly kind: 'replayed'; readonly entry: Entry }

/**
 * Adds to the balance, or takes from it, once per (type, referenceId): a repeat returns the first
 * entry. Throws NOT_FOUND without an account, INSUFFICIENT_CREDITS below zero, and
 * IDEMPOTENCY_MISMATCH when the reference was used for another user or amount.
 */
export declare function postEntry(tx: Transaction, entry: NewEntry): Promise<Posting>

/**
 * A user's history, newest first; nextCursor is the id to pass as beforeId. Throws
 * INVALID_CURSOR for the id of no entry of this user.
 */
export declare function listEntries(
  database: Queryable,
  userId: UserId,
  page: PageRequest,
): Promise<PageOf<Entry>>
