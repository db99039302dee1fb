import type { BalanceView } from '@funmagic/contract/credit'
import { newId, type UserId } from '@funmagic/contract/ids'
import type { Queryable } from '@funmagic/database/client'
import { prepared, sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'
import { postEntry } from './entries.ts'

/** What a user owns, in whole credits. */
export type Balance = BalanceView

/**
 * Opens the user's account and posts the bonus of the sign-up once (`signup:{userId}`). Opening
 * an open account changes nothing. Call it in the transaction that creates the user.
 */
export async function openAccount(
  tx: Transaction,
  account: { userId: UserId; bonusCredits: number },
): Promise<Balance> {
  const opened = await tx.query(sql`
    INSERT INTO credits (id, user_id) VALUES (${newId()}, ${account.userId})
    ON CONFLICT (user_id) DO NOTHING
  `)
  if (opened.rowCount === 1 && account.bonusCredits > 0) {
    await postEntry(tx, {
      userId: account.userId,
      type: 'bonus',
      amount: account.bonusCredits,
      referenceId: `signup:${account.userId}`,
      description: 'Welcome bonus',
    })
  }
  return balanceOf(tx, account.userId)
}

/** The user's balance; all zeros for a user without an account. */
export async function balanceOf(database: Queryable, userId: UserId): Promise<Balance> {
  const { rows } = await database.query<Balance>(
    prepared(sql`
    SELECT balance, reserved_balance AS "reservedBalance", lifetime_earned AS "lifetimeEarned",
      lifetime_spent AS "lifetimeSpent", lifetime_purchased AS "lifetimePurchased"
    FROM credits WHERE user_id = ${userId}
  `),
  )
  return rows[0] ?? emptyBalance
}

/** The account with what operators see beside the balance: grants and debts; if there is one. */
export async function findAccount(
  database: Queryable,
  userId: UserId,
): Promise<(Balance & { grantedBalance: number; debt: number }) | undefined> {
  const { rows } = await database.query<Balance & { grantedBalance: number; debt: number }>(sql`
    SELECT balance, reserved_balance AS "reservedBalance", lifetime_earned AS "lifetimeEarned",
      lifetime_spent AS "lifetimeSpent", lifetime_purchased AS "lifetimePurchased",
      granted_balance AS "grantedBalance", debt
    FROM credits WHERE user_id = ${userId}
  `)
  return rows[0]
}

const emptyBalance: Balance = {
  balance: 0,
  reservedBalance: 0,
  lifetimeEarned: 0,
  lifetimeSpent: 0,
  lifetimePurchased: 0,
}
