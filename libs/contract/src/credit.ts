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

/** Why credits that expire were given. */
export const creditGrantKinds = ['promotion', 'compensation', 'quota'] as const
export type CreditGrantKind = (typeof creditGrantKinds)[number]

/** `created` until the provider has it, `open` until it is paid or will not be. */
export const paymentStates = ['created', 'open', 'paid', 'expired', 'failed'] as const
export type PaymentState = (typeof paymentStates)[number]

/** `waiting` for the payment it is about; `failed` until it is tried again or looked at. */
export const paymentEventStates = ['received', 'applied', 'ignored', 'waiting', 'failed'] as const
export type PaymentEventState = (typeof paymentEventStates)[number]

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

/** Credits that expire, as their owner sees them. */
export const CreditGrantView = Type.Object({
  id: Id,
  kind: Type.Enum(creditGrantKinds),
  amount: Type.Integer(),
  remaining: Type.Integer(),
  expiredAmount: Type.Integer(),
  expiresAt: Type.String({
    format: 'date-time',
    description: 'Later than promised when a task gave credits back too late to use them',
  }),
  createdAt: Type.String({ format: 'date-time' }),
})
export type CreditGrantView = Static<typeof CreditGrantView>

/** One purchase, as its buyer sees it. */
export const PaymentView = Type.Object({
  id: Id,
  status: Type.Enum(paymentStates),
  packageId: Id,
  packageName: Type.String(),
  credits: Type.Integer(),
  amountCents: Type.Integer({ description: 'In the smallest unit of the currency' }),
  currency: Type.String({ examples: ['usd'] }),
  refundedCents: Type.Integer(),
  reversedCredits: Type.Integer({ description: 'Taken back after a refund or a dispute' }),
  owedCredits: Type.Integer({ description: 'Of those, spent already: paid by what comes in next' }),
  createdAt: Type.String({ format: 'date-time' }),
  paidAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
})
export type PaymentView = Static<typeof PaymentView>
