import { sql } from '@funmagic/database/sql'
import type { Proof } from './proofs-of-entries.ts'

const grantsAddUp: Proof = {
  invariant: 'G1',
  claim: 'What was granted is left, expired, taken, or used by reservations; and was an entry.',
  counterexamples: sql`
    SELECT g.id, g.user_id, g.amount, remaining, expired_amount, taken_amount, used.amount AS used
    FROM credit_grants g LEFT JOIN (
      SELECT grant_id, sum(amount - returned_amount) AS amount
      FROM credit_grant_uses GROUP BY grant_id
    ) used ON used.grant_id = g.id
    LEFT JOIN credit_transactions e
      ON e.type = 'bonus' AND e.reference_id = 'grant:' || g.reference_id
    WHERE g.amount <> remaining + expired_amount + taken_amount + coalesce(used.amount, 0)
      OR e.user_id IS DISTINCT FROM g.user_id OR e.amount IS DISTINCT FROM g.amount`,
}

const grantsArePartOfBalances: Proof = {
  invariant: 'G2',
  claim: 'The granted part of a balance is what its grants have left, and no more than it.',
  counterexamples: sql`
    SELECT c.user_id, balance, granted_balance, g.remaining
    FROM credits c LEFT JOIN (
      SELECT user_id, sum(remaining) AS remaining FROM credit_grants GROUP BY user_id
    ) g USING (user_id)
    WHERE granted_balance <> coalesce(g.remaining, 0) OR granted_balance > balance`,
}

const usesGoBack: Proof = {
  invariant: 'G3',
  claim: 'A reservation spends what expires soonest, and gives the rest back where it came from.',
  counterexamples: sql`
    SELECT r.id, r.state, r.amount, granted_amount, spent_amount, u.used, u.returned
    FROM credit_reservations r LEFT JOIN (
      SELECT reservation_id, sum(amount) AS used, sum(returned_amount) AS returned
      FROM credit_grant_uses GROUP BY reservation_id
    ) u ON u.reservation_id = r.id
    WHERE granted_amount <> coalesce(u.used, 0) OR coalesce(u.returned, 0) <>
      CASE r.state WHEN 'open' THEN 0 ELSE greatest(0, granted_amount - spent_amount) END`,
}

const grantsEnd: Proof = {
  invariant: 'G4',
  claim: 'What expired has its entries, and nothing is left of it for long.',
  counterexamples: sql`
    SELECT g.id, g.user_id, expired_amount, remaining, usable_until, e.amount
    FROM credit_grants g LEFT JOIN (
      SELECT split_part(reference_id, ':', 2) AS grant_id, -sum(amount) AS amount
      FROM credit_transactions WHERE type = 'admin_adjust' AND reference_id LIKE 'expiry:%'
      GROUP BY 1
    ) e ON e.grant_id = g.id::text
    WHERE expired_amount <> coalesce(e.amount, 0)
      OR (remaining > 0 AND usable_until < now() - interval '1 hour')`,
}

export const grantProofs: readonly Proof[] = [
  grantsAddUp,
  grantsArePartOfBalances,
  usesGoBack,
  grantsEnd,
]
