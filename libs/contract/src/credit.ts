import Type, { type Static } from 'typebox'
import { Id } from './ids.ts'

/** The seeds' six types (C2) and `release`, which returns a reservation (decision 13). */
export const creditTransactionTypes = [
  'purchase',
  'spend',
  'refund',
  'bonus',
  'admin_adjust',
  'reservation',
  'release',
] as const
export type CreditTransactionType = (typeof creditTransactionTypes)[number]

/** What a user owns, in whole credits. `balance` can be spent; `reservedBalance` is set aside. */
export const BalanceView = Type.Object({
  balance: Type.Integer({ examples: [95] }),
  reservedBalance: Type.Integer({ examples: [5] }),
  lifetimeEarned: Type.Integer({ examples: [100] }),
  lifetimeSpent: Type.Integer({ examples: [0] }),
  lifetimePurchased: Type.Integer({ examples: [0] }),
})
export type BalanceView = Static<typeof BalanceView>

/**
 * One line of the history. `amount` is signed as its owner sees it: a reservation of 5 is −5,
 * its release is +5, and when it is spent a line `spend` of −5 settles it. `balanceAfter` is
 * the spendable balance after the line.
 */
export const CreditTransactionView = Type.Object({
  id: Id,
  type: Type.Enum(creditTransactionTypes),
  amount: Type.Integer(),
  balanceAfter: Type.Integer(),
  referenceId: Type.Union([Type.String(), Type.Null()]),
  description: Type.Union([Type.String(), Type.Null()]),
  createdAt: Type.String({ format: 'date-time' }),
})
export type CreditTransactionView = Static<typeof CreditTransactionView>

export const CreditPackageView = Type.Object({
  id: Id,
  name: Type.String(),
  credits: Type.Integer(),
  priceCents: Type.Integer({ description: 'Price in the smallest unit of the currency' }),
  currency: Type.String({ examples: ['usd'] }),
})
export type CreditPackageView = Static<typeof CreditPackageView>
