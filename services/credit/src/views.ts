import type { CreditGrantView, CreditTransactionView, PaymentView } from '@funmagic/contract/credit'
import type { AdjustmentView, PaymentEventView } from '@funmagic/contract/credit-admin'
import type { Adjustment } from '@funmagic/ledger/adjustments'
import type { Entry } from '@funmagic/ledger/entries'
import type { Grant } from '@funmagic/ledger/grants'
import type { PaymentEvent } from '@funmagic/ledger/payment-events'
import type { Payment } from '@funmagic/ledger/payments'

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

export function toGrantView(grant: Grant): CreditGrantView {
  return {
    id: grant.id,
    kind: grant.kind,
    amount: grant.amount,
    remaining: grant.remaining,
    expiredAmount: grant.expiredAmount,
    expiresAt: grant.usableUntil.toISOString(),
    createdAt: grant.createdAt.toISOString(),
  }
}

export function toPaymentView(payment: Payment): PaymentView {
  return {
    id: payment.id,
    status: payment.state,
    packageId: payment.packageId,
    packageName: payment.packageName,
    credits: payment.credits,
    amountCents: payment.amountCents,
    currency: payment.currency,
    refundedCents: payment.refundedCents,
    reversedCredits: payment.reversedCredits,
    owedCredits: payment.reversedCredits - payment.recoveredCredits,
    createdAt: payment.createdAt.toISOString(),
    paidAt: payment.paidAt?.toISOString() ?? null,
  }
}

export function toAdjustmentView(adjustment: Adjustment): AdjustmentView {
  return {
    id: adjustment.id,
    userId: adjustment.userId,
    amount: adjustment.amount,
    reason: adjustment.reason,
    expiresAt: adjustment.expiresAt?.toISOString() ?? null,
    status: adjustment.state,
    requestedBy: adjustment.requestedBy,
    decidedBy: adjustment.decidedBy,
    createdAt: adjustment.createdAt.toISOString(),
    decidedAt: adjustment.decidedAt?.toISOString() ?? null,
  }
}

export function toPaymentEventView(event: PaymentEvent): PaymentEventView {
  return {
    id: event.id,
    eventId: event.eventId,
    type: event.type,
    status: event.state,
    paymentId: event.paymentId,
    attempts: event.attempts,
    lastError: event.lastError,
    nextAttemptAt: event.nextAttemptAt?.toISOString() ?? null,
    receivedAt: event.receivedAt.toISOString(),
    processedAt: event.processedAt?.toISOString() ?? null,
  }
}
