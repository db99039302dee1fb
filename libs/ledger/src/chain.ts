import type { UserId } from '@funmagic/contract/ids'
import { newId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import { sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'
import { entryColumns, type Entry, type NewEntry } from './entry-rows.ts'

/** What one must know of an account to change it. */
export interface LockedAccount {
  readonly balance: number
  readonly grantedBalance: number
  readonly debt: number
}

/** Changes of one account queue up here; each sees what the one before it wrote. */
export async function lockAccount(tx: Transaction, userId: UserId): Promise<LockedAccount> {
  const { rows } = await tx.query<LockedAccount>(sql`
    SELECT balance, granted_balance AS "grantedBalance", debt FROM credits
    WHERE user_id = ${userId} FOR UPDATE
  `)
  if (!rows[0]) throw new AppError('NOT_FOUND')
  return rows[0]
}

/** The next link of the chain; undefined, and nothing is written, below a balance of zero. */
export async function insertEntry(tx: Transaction, entry: NewEntry): Promise<Entry | undefined> {
  const purchased = entry.type === 'purchase' ? entry.amount : 0
  const earned = entry.type === 'purchase' ? 0 : Math.max(entry.amount, 0)
  const { rows } = await tx.query<Entry>(sql`
    WITH account AS (
      UPDATE credits SET balance = balance + ${entry.amount}, entry_seq = entry_seq + 1,
        lifetime_purchased = lifetime_purchased + ${purchased},
        lifetime_earned = lifetime_earned + ${earned}, updated_at = now()
      WHERE user_id = ${entry.userId} AND balance + ${entry.amount} >= 0
      RETURNING user_id, entry_seq, balance, reserved_balance
    )
    INSERT INTO credit_transactions (id, user_id, seq, type, amount, available_delta,
      reserved_delta, balance_after, reserved_after, reference_id, actor_id, description)
    SELECT ${newId()}, user_id, entry_seq, ${entry.type}::credit_transaction_type,
      ${entry.amount}, ${entry.amount}, 0, balance, reserved_balance, ${entry.referenceId},
      ${entry.actorId ?? null}, ${entry.description ?? null}
    FROM account
    RETURNING ${entryColumns}
  `)
  return rows[0]
}
