import type { PaymentFact } from '@funmagic/ledger/payment-events'
import type Stripe from 'stripe'

/**
 * What an event says, reduced to what the ledger needs: names, addresses and cards are never kept.
 * Types that are not listed say nothing to us.
 */
export function factOf(event: Stripe.Event): PaymentFact {
  switch (event.type) {
    case 'checkout.session.completed':
    case 'checkout.session.async_payment_succeeded':
      return factOfSession(event.data.object)
    case 'checkout.session.async_payment_failed':
      return closed(event.data.object, 'failed')
    case 'checkout.session.expired':
      return closed(event.data.object, 'expired')
    case 'charge.refunded':
      return refunded(event.data.object)
    case 'charge.dispute.created':
    case 'charge.dispute.updated':
    case 'charge.dispute.closed':
      return disputed(event.data.object)
    default:
      return { kind: 'nothing' }
  }
}

/** A session that is complete but unpaid waits for the event that decides it. */
export function factOfSession(session: Stripe.Checkout.Session): PaymentFact {
  const paymentId = session.client_reference_id
  if (paymentId === null) return { kind: 'nothing' }
  if (session.status === 'expired') return { kind: 'closed', paymentId, state: 'expired' }
  if (session.payment_status !== 'paid') return { kind: 'nothing' }
  return {
    kind: 'paid',
    paymentId,
    sessionId: session.id,
    paymentIntentId: idOf(session.payment_intent),
    amountCents: session.amount_total ?? 0,
    currency: session.currency ?? '',
  }
}

function closed(session: Stripe.Checkout.Session, state: 'expired' | 'failed'): PaymentFact {
  const paymentId = session.client_reference_id
  return paymentId === null ? { kind: 'nothing' } : { kind: 'closed', paymentId, state }
}

function refunded(charge: Stripe.Charge): PaymentFact {
  const paymentIntentId = idOf(charge.payment_intent)
  if (paymentIntentId === null) return { kind: 'nothing' }
  return { kind: 'refunded', paymentIntentId, refundedCents: charge.amount_refunded }
}

/** An inquiry (warning_…) moves no money; the bank's decision does. */
function disputed(dispute: Stripe.Dispute): PaymentFact {
  const paymentIntentId = idOf(dispute.payment_intent)
  const state = stateOf(dispute.status)
  if (paymentIntentId === null || state === undefined) return { kind: 'nothing' }
  const { id: disputeId, amount: amountCents } = dispute
  return { kind: 'disputed', paymentIntentId, disputeId, state, amountCents }
}

function stateOf(status: Stripe.Dispute.Status): 'open' | 'won' | 'lost' | undefined {
  switch (status) {
    case 'won':
      return 'won'
    case 'lost':
      return 'lost'
    case 'needs_response':
    case 'under_review':
      return 'open'
    default:
      return undefined
  }
}

function idOf(reference: string | { readonly id: string } | null): string | null {
  return typeof reference === 'object' ? (reference?.id ?? null) : reference
}
