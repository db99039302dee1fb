import { sql } from '@funmagic/database/sql'
import type { Proof } from './proofs-of-entries.ts'

const eventsHappenOnce: Proof = {
  invariant: 'M13',
  claim: 'An event of a payment provider is kept once, and says what became of it.',
  counterexamples: sql`
    SELECT id::text AS name, event_id, state::text FROM payment_events
    WHERE (state IN ('applied', 'ignored')) <> (processed_at IS NOT NULL)
      OR (state = 'applied' AND payment_id IS NULL)
    UNION ALL SELECT name, 'missing index', ''
    FROM unnest(ARRAY['payment_events_provider_event_id_key', 'payments_session_id_key',
      'payments_payment_intent_id_key', 'credit_transactions_type_reference_id_key']) name
    WHERE NOT EXISTS (SELECT FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
      WHERE c.relname = name AND i.indisunique AND i.indisvalid)`,
}

const paymentsAreEntries: Proof = {
  invariant: 'P1',
  claim: 'A payment is paid exactly when its credits were posted, to its buyer and in its amount.',
  counterexamples: sql`
    SELECT p.id, e.id AS entry_id, p.state, p.user_id, p.credits, e.amount
    FROM payments p FULL JOIN (
      SELECT * FROM credit_transactions
      WHERE type = 'purchase' AND reference_id LIKE 'payment:%'
    ) e ON e.reference_id = 'payment:' || p.id
    WHERE p.id IS NULL OR (p.state = 'paid') <> (e.id IS NOT NULL)
      OR (e.id IS NOT NULL AND (e.user_id, e.amount) IS DISTINCT FROM (p.user_id, p.credits))`,
}

const reversalsFollowMoney: Proof = {
  invariant: 'P2',
  claim: 'What is taken back of a purchase follows from what was refunded and disputed.',
  counterexamples: sql`
    SELECT id, user_id, credits, amount_cents, refunded_cents, disputed_cents, dispute_state,
      reversed_credits
    FROM payments WHERE reversed_credits <> CASE WHEN state <> 'paid' THEN 0 ELSE
      credits::bigint * least(amount_cents, refunded_cents + CASE
        WHEN dispute_state IN ('open', 'lost') THEN disputed_cents ELSE 0 END) / amount_cents END`,
}

const recoveriesAreEntries: Proof = {
  invariant: 'P3',
  claim: 'What was recovered of a refunded purchase has its entries.',
  counterexamples: sql`
    SELECT p.id, p.user_id, recovered_credits, e.amount
    FROM payments p LEFT JOIN (
      SELECT split_part(reference_id, ':', 2) AS payment_id, -sum(amount) AS amount
      FROM credit_transactions
      WHERE (type = 'admin_adjust'
          AND (reference_id LIKE 'reversal:%' OR reference_id LIKE 'debt:%'))
        OR (type = 'refund' AND reference_id LIKE 'reinstated:%')
      GROUP BY 1
    ) e ON e.payment_id = p.id::text
    WHERE recovered_credits <> coalesce(e.amount, 0)`,
}

const debtsAreOwed: Proof = {
  invariant: 'P4',
  claim: 'A debt is what refunded purchases still lack, and who has one has no balance.',
  counterexamples: sql`
    SELECT c.user_id, balance, debt, p.owed
    FROM credits c LEFT JOIN (
      SELECT user_id, sum(reversed_credits - recovered_credits) AS owed
      FROM payments GROUP BY user_id
    ) p USING (user_id)
    WHERE debt <> coalesce(p.owed, 0) OR (debt > 0 AND balance > 0)`,
}

const twoPeopleDecide: Proof = {
  invariant: 'P5',
  claim: 'What needed a second operator was posted exactly when that one agreed.',
  counterexamples: sql`
    SELECT a.id, a.state, a.requested_by, a.decided_by, e.id AS entry_id
    FROM credit_adjustments a LEFT JOIN credit_transactions e ON e.reference_id =
      CASE WHEN a.expires_at IS NULL THEN '' ELSE 'grant:' END || 'adjustment:' || a.id
    WHERE (a.state = 'approved') <> (e.id IS NOT NULL)
      OR (e.id IS NOT NULL AND e.amount <> a.amount)
      OR (a.state = 'approved' AND a.decided_by = a.requested_by)`,
}

export const paymentProofs: readonly Proof[] = [
  eventsHappenOnce,
  paymentsAreEntries,
  reversalsFollowMoney,
  recoveriesAreEntries,
  debtsAreOwed,
  twoPeopleDecide,
]
