import type { Sql } from '@funmagic/database/sql'
import { raw, sql } from '@funmagic/database/sql'
import { entryCreditsMax, reservationCreditsMax } from './credits.ts'

/**
 * An invariant as a query that returns the rows breaking it. It is one statement without
 * parameters, so it judges one snapshot and can be read through a cursor.
 */
export interface Proof {
  readonly invariant: string
  readonly claim: string
  readonly counterexamples: Sql
}

const balancesAreSums: Proof = {
  invariant: 'M1',
  claim: 'A balance is the sum of its entries, and the newest entry is its seq.',
  counterexamples: sql`
    SELECT user_id, balance, reserved_balance, entry_seq, available, reserved, seq
    FROM credits FULL JOIN (
      SELECT user_id, sum(available_delta) AS available, sum(reserved_delta) AS reserved,
        max(seq) AS seq
      FROM credit_transactions GROUP BY user_id
    ) entries USING (user_id)
    WHERE (balance, reserved_balance, entry_seq) IS DISTINCT FROM
      (coalesce(available, 0), coalesce(reserved, 0), coalesce(seq, 0))`,
}

const nothingIsNegative: Proof = {
  invariant: 'M2',
  claim: 'No balance is negative, and constraints keep it so.',
  counterexamples: sql`
    SELECT 'credits' AS place, user_id::text AS name FROM credits
    WHERE balance < 0 OR reserved_balance < 0
    UNION ALL SELECT 'credit_transactions', id::text FROM credit_transactions
    WHERE balance_after < 0 OR reserved_after < 0
    UNION ALL SELECT 'missing constraint', name
    FROM unnest(ARRAY['credits_not_negative', 'credit_transactions_after_not_negative',
      'credits_parts_not_negative']) name
    WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conname = name AND convalidated)`,
}

const chainsAreWhole: Proof = {
  invariant: 'M3',
  claim: 'The entries of a user are a dense chain in which each continues the one before.',
  counterexamples: sql`
    SELECT * FROM (
      SELECT id, user_id, seq, available_delta, reserved_delta, balance_after, reserved_after,
        coalesce(lag(seq) OVER chain, 0) AS seq_before,
        coalesce(lag(balance_after) OVER chain, 0) AS balance_before,
        coalesce(lag(reserved_after) OVER chain, 0) AS reserved_before
      FROM credit_transactions WINDOW chain AS (PARTITION BY user_id ORDER BY seq)
    ) e
    WHERE seq <> seq_before + 1 OR balance_after <> balance_before + available_delta
      OR reserved_after <> reserved_before + reserved_delta`,
}

const entriesStay: Proof = {
  invariant: 'M4',
  claim: 'What is history cannot be changed.',
  counterexamples: sql`
    SELECT 'missing trigger' AS place, name
    FROM unnest(ARRAY['credit_transactions_append_only', 'credit_transactions_no_truncate',
      'credit_readings_append_only', 'credit_readings_no_truncate',
      'credit_reservations_guard']) name
    WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = name AND tgenabled IN ('O', 'A'))`,
}

const reservationsSettleOnce: Proof = {
  invariant: 'M5',
  claim: 'A reservation has one entry that opens it and at most one that settles it.',
  counterexamples: sql`
    SELECT r.id::text AS name, count(t.id) FILTER (WHERE t.type = 'reservation') AS opened,
      count(t.id) FILTER (WHERE t.type <> 'reservation') AS settled
    FROM credit_reservations r LEFT JOIN credit_transactions t ON t.reservation_id = r.id
    GROUP BY r.id
    HAVING count(t.id) FILTER (WHERE t.type = 'reservation') <> 1
      OR count(t.id) FILTER (WHERE t.type <> 'reservation') > 1
    UNION ALL SELECT name, 0, 0
    FROM unnest(ARRAY['credit_transactions_one_reservation',
      'credit_transactions_one_settlement', 'credit_reservations_reference_id_key']) name
    WHERE NOT EXISTS (SELECT FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
      WHERE c.relname = name AND i.indisunique AND i.indisvalid)`,
}

const settlementsAreEntries: Proof = {
  invariant: 'M7',
  claim: 'A confirmed reservation has its spend, a released one its release, and no more.',
  counterexamples: sql`
    SELECT r.id, r.state, r.amount, r.spent_amount, e.type, e.amount AS entry_amount
    FROM credit_reservations r
    LEFT JOIN credit_transactions e ON e.reservation_id = r.id AND e.type <> 'reservation'
    WHERE (r.state = 'open') <> (e.id IS NULL)
      OR (r.state = 'confirmed') <> coalesce(e.type = 'spend', false)
      OR (r.state = 'confirmed' AND e.amount <> -r.spent_amount)
      OR r.spent_amount > r.amount`,
}

const reservedIsWhatIsOpen: Proof = {
  invariant: 'M8',
  claim: 'The reserved part of a reservation is its amount while open and nothing afterwards.',
  counterexamples: sql`
    SELECT r.id, r.state, r.amount, coalesce(sum(e.reserved_delta), 0) AS reserved
    FROM credit_reservations r LEFT JOIN credit_transactions e ON e.reservation_id = r.id
    GROUP BY r.id
    HAVING coalesce(sum(e.reserved_delta), 0) <> CASE r.state WHEN 'open' THEN r.amount ELSE 0 END`,
}

const reservationsEnd: Proof = {
  invariant: 'M9',
  claim: 'No reservation stays open long after its deadline.',
  counterexamples: sql`
    SELECT id, user_id, reference_id, amount, deadline_at FROM credit_reservations
    WHERE state = 'open' AND deadline_at < now() - interval '10 minutes'`,
}

const amountsAreBounded: Proof = {
  invariant: 'M15',
  claim: 'Every amount is within its bounds, and every sum a number that stays exact.',
  counterexamples: sql`
    SELECT 'credit_transactions' AS place, id, amount FROM credit_transactions
    WHERE abs(amount) > ${raw(String(entryCreditsMax))}
    UNION ALL SELECT 'credit_reservations', id, amount FROM credit_reservations
    WHERE amount NOT BETWEEN 1 AND ${raw(String(reservationCreditsMax))}
    UNION ALL SELECT 'credits', user_id, greatest(balance, lifetime_earned) FROM credits
    WHERE greatest(balance + reserved_balance, lifetime_earned, lifetime_spent)
      > ${raw(String(Number.MAX_SAFE_INTEGER))}`,
}

const nothingIsCreated: Proof = {
  invariant: 'M12',
  claim: 'What all users own is what was brought in less what was spent.',
  counterexamples: sql`
    SELECT owned, moved FROM
      (SELECT coalesce(sum(balance + reserved_balance), 0) AS owned FROM credits) c,
      (SELECT coalesce(sum(amount), 0) AS moved FROM credit_transactions
       WHERE type NOT IN ('reservation', 'release')) t
    WHERE owned <> moved`,
}

const lifetimesAreSums: Proof = {
  invariant: 'M16',
  claim: 'Lifetime figures are the sums of their entries, less purchases that were refunded.',
  counterexamples: sql`
    SELECT c.user_id, lifetime_purchased, lifetime_earned, lifetime_spent, l.*, p.reversed
    FROM credits c LEFT JOIN (
      SELECT user_id, sum(reversed_credits)::bigint AS reversed FROM payments GROUP BY user_id
    ) p USING (user_id) LEFT JOIN LATERAL (
      SELECT coalesce(sum(amount) FILTER (WHERE type = 'purchase'), 0)::bigint AS purchased,
        coalesce(sum(amount) FILTER (WHERE amount > 0
          AND type IN ('bonus', 'refund', 'admin_adjust')), 0)::bigint AS earned,
        coalesce(-sum(amount) FILTER (WHERE type = 'spend'), 0)::bigint AS spent
      FROM credit_transactions t WHERE t.user_id = c.user_id
    ) l ON true
    WHERE (lifetime_purchased, lifetime_earned, lifetime_spent) IS DISTINCT FROM
      (l.purchased - coalesce(p.reversed, 0), l.earned, l.spent)`,
}

export const entryProofs: readonly Proof[] = [
  balancesAreSums,
  nothingIsNegative,
  chainsAreWhole,
  entriesStay,
  reservationsSettleOnce,
  settlementsAreEntries,
  reservedIsWhatIsOpen,
  reservationsEnd,
  nothingIsCreated,
  amountsAreBounded,
  lifetimesAreSums,
]
