import Type, { type Static } from 'typebox'
import { BalanceView, paymentEventStates } from './credit.ts'
import { Id } from './ids.ts'

const Time = Type.String({ format: 'date-time' })
const orNull = (schema: Type.TString) => Type.Union([schema, Type.Null()])

/** A user's account as operators see it. */
export const AccountView = Type.Object({
  userId: Id,
  ...BalanceView.properties,
  grantedBalance: Type.Integer({ description: 'The part of the balance that expires' }),
  debt: Type.Integer({ description: 'Credits of refunded purchases that were spent already' }),
})
export type AccountView = Static<typeof AccountView>

export const adjustmentStates = ['pending', 'approved', 'rejected'] as const

/** What one operator asked for and another decides. */
export const AdjustmentView = Type.Object({
  id: Id,
  userId: Id,
  amount: Type.Integer(),
  reason: Type.String(),
  expiresAt: orNull(Time),
  status: Type.Enum(adjustmentStates),
  requestedBy: Id,
  decidedBy: orNull(Id),
  createdAt: Time,
  decidedAt: orNull(Time),
})
export type AdjustmentView = Static<typeof AdjustmentView>

/** An event of the payment provider, as the inbox keeps it. */
export const PaymentEventView = Type.Object({
  id: Id,
  eventId: Type.String(),
  type: Type.String(),
  status: Type.Enum(paymentEventStates),
  paymentId: orNull(Id),
  attempts: Type.Integer(),
  lastError: Type.Union([Type.String(), Type.Null()]),
  nextAttemptAt: orNull(Time),
  receivedAt: Time,
  processedAt: orNull(Time),
})
export type PaymentEventView = Static<typeof PaymentEventView>
