import type { UserId } from '@funmagic/contract/ids'
import type { BalanceView } from '@funmagic/contract/credit'
import type { Queryable } from '@funmagic/database/client'
import type { Transaction } from '@funmagic/database/transaction'

/** What a user owns, in whole credits. */
export type Balance = BalanceView

/**
 * Opens the user's account and posts the bonus of the sign-up once (`signup:{userId}`). Opening
 * an open account changes nothing. Call it in the transaction that creates the user.
 */
export declare function openAccount(
  tx: Transaction,
  account: { userId: UserId; bonusCredits: number },
): Promise<Balance>

/** The user's balance; all zeros for a user without an account. */
export declare function balanceOf(database: Queryable, userId: UserId): Promise<Balance>
