import type { UserId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'
import { insertEntry, lockAccount } from './chain.ts'
import { trimGrants } from './grant-draws.ts'

/**
 * Credits of a refunded purchase that were spent by then are a debt: the balance never goes below
 * zero, and whatever comes in pays the debt first. So with a debt the balance is zero, and nothing
 * can be reserved.
 */

const paymentsMax = 1_000

/** Pays debts out of the balance, the oldest first. The caller's transaction holds the account. */
export async function collectDebt(tx: Transaction, userId: UserId): Promise<void> {
  const account = await lockAccount(tx, userId)
  if (account.debt === 0 || account.balance === 0) return
  const { rows } = await tx.query<{ id: string; owed: number; recovered: number }>(sql`
    SELECT id, reversed_credits - recovered_credits AS owed, recovered_credits AS recovered
    FROM payments WHERE user_id = ${userId} AND recovered_credits < reversed_credits
    ORDER BY id LIMIT ${paymentsMax} FOR UPDATE
  `)
  let { balance } = account
  for (const { id, owed, recovered } of rows) {
    const paid = Math.min(owed, balance)
    if (paid === 0) break
    balance -= paid
    await insertEntry(tx, {
      userId,
      type: 'admin_adjust',
      amount: -paid,
      referenceId: `debt:${id}:${recovered + paid}`,
      description: 'Collected for a refunded purchase whose credits had been spent',
    })
    await tx.query(sql`
      UPDATE payments SET recovered_credits = recovered_credits + ${paid} WHERE id = ${id}
    `)
    await tx.query(sql`UPDATE credits SET debt = debt - ${paid} WHERE user_id = ${userId}`)
  }
  await trimGrants(tx, userId)
}
