import { sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'
import { insertEntry, lockAccount } from './chain.ts'
import { collectDebt } from './debts.ts'
import { trimGrants } from './grant-draws.ts'
import { paymentColumns, type Payment } from './payments.ts'

/**
 * Takes credits back, or gives them back, until the ledger agrees with the payment. What has been
 * spent already becomes a debt; the purchase no longer counts for the user's tier either way
 * (TR15). The caller's transaction holds the account and the payment.
 */
export async function alignReversal(tx: Transaction, payment: Payment): Promise<Payment> {
  const change = reversalOf(payment) - payment.reversedCredits
  if (change === 0) return payment
  const moved =
    change > 0 ? await takeBack(tx, payment, change) : await giveBack(tx, payment, -change)
  const { rows } = await tx.query<Payment>(sql`
    UPDATE payments SET reversed_credits = reversed_credits + ${change},
      recovered_credits = recovered_credits + ${moved}, revision = revision + 1
    WHERE id = ${payment.id} RETURNING ${paymentColumns}
  `)
  await tx.query(sql`
    UPDATE credits SET lifetime_purchased = lifetime_purchased - ${change},
      debt = debt + ${change - moved}
    WHERE user_id = ${payment.userId}
  `)
  if (change < 0) await collectDebt(tx, payment.userId)
  return rows[0] ?? payment
}

/**
 * How many credits of a purchase are not the user's any more: in proportion to the money that went
 * back, rounded for the user. It follows from the payment alone, so events may come in any order.
 */
function reversalOf(payment: Payment): number {
  const { credits, amountCents, refundedCents, disputedCents, disputeState } = payment
  const disputed = disputeState === 'open' || disputeState === 'lost' ? disputedCents : 0
  const cents = Math.min(amountCents, refundedCents + disputed)
  return Math.floor((credits * cents) / amountCents)
}

/** Returns how many of the credits were there to take. */
async function takeBack(tx: Transaction, payment: Payment, credits: number): Promise<number> {
  const { balance } = await lockAccount(tx, payment.userId)
  const taken = Math.min(balance, credits)
  if (taken === 0) return 0
  await insertEntry(tx, {
    userId: payment.userId,
    type: 'admin_adjust',
    amount: -taken,
    referenceId: `reversal:${payment.id}:${payment.revision}`,
    description: `Taken back: ${payment.packageName} was refunded or disputed`,
  })
  await trimGrants(tx, payment.userId)
  return taken
}

/** What is still owed for this purchase is forgiven first. Returns what was recovered, negated. */
async function giveBack(tx: Transaction, payment: Payment, credits: number): Promise<number> {
  const owed = payment.reversedCredits - payment.recoveredCredits
  const given = Math.max(0, credits - owed)
  if (given === 0) return 0
  await insertEntry(tx, {
    userId: payment.userId,
    type: 'refund',
    amount: given,
    referenceId: `reinstated:${payment.id}:${payment.revision}`,
    description: `Given back: the dispute over ${payment.packageName} was settled`,
  })
  return -given
}
