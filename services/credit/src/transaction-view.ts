import type { CreditTransactionView } from '@funmagic/contract/credit'
import type { Entry } from '@funmagic/ledger/entries'

/** One entry of the ledger as its owner sees it. */
export function toTransactionView(entry: Entry): CreditTransactionView {
  return {
    id: entry.id,
    type: entry.type,
    amount: entry.amount,
    balanceAfter: entry.balanceAfter,
    referenceId: entry.referenceId,
    description: entry.description,
    createdAt: entry.createdAt.toISOString(),
  }
}
