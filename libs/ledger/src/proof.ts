import type { Queryable } from '@funmagic/database/client'
import { raw, sql, type Sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'
import { entryProofs, type Proof } from './proofs-of-entries.ts'
import { grantProofs } from './proofs-of-grants.ts'
import { paymentProofs } from './proofs-of-payments.ts'

export interface Violation {
  /** The invariant's id, such as M1. */
  readonly invariant: string
  readonly claim: string
  /** The rows that break it, 100 at most. */
  readonly rows: readonly object[]
}

/**
 * Checks the money invariants by SQL and returns those that do not hold; empty is the proof. Given
 * `tasks` (taskSettlements of @funmagic/task/settlement) it also judges whether tasks and
 * reservations agree (M6, M7): that can only be seen in one snapshot of both.
 */
export async function findViolations(database: Queryable, tasks?: Sql): Promise<Violation[]> {
  const violations: Violation[] = []
  for (const { invariant, claim, counterexamples } of proofsWith(tasks)) {
    const { rows } = await database.query(sql`SELECT * FROM (${counterexamples}) x LIMIT 100`)
    if (rows.length > 0) violations.push({ invariant, claim, rows })
  }
  return violations
}

/** One row that breaks an invariant. */
export interface Counterexample {
  readonly invariant: string
  readonly claim: string
  readonly row: object
}

const batchSize = 500

/**
 * The same, row by row and without an end, all in one snapshot: the transaction must be new. Only
 * a batch of rows is ever held here, whatever the size of the books.
 */
export async function* streamViolations(
  tx: Transaction,
  tasks?: Sql,
): AsyncGenerator<Counterexample> {
  await tx.query(sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY`)
  for (const { invariant, claim, counterexamples } of proofsWith(tasks)) {
    await tx.query(sql`DECLARE counterexamples NO SCROLL CURSOR FOR ${counterexamples}`)
    let rows: object[]
    do {
      rows = (await tx.query(sql`FETCH ${raw(String(batchSize))} FROM counterexamples`)).rows
      for (const row of rows) yield { invariant, claim, row }
    } while (rows.length === batchSize)
    await tx.query(sql`CLOSE counterexamples`)
  }
}

/** How much there is to prove: for the reader of “0 findings”. */
export async function countBooks(
  database: Queryable,
): Promise<{ accounts: number; entries: number; reservations: number; payments: number }> {
  const { rows } = await database.query<Awaited<ReturnType<typeof countBooks>>>(sql`
    SELECT (SELECT count(*) FROM credits) AS accounts,
      (SELECT count(*) FROM credit_transactions) AS entries,
      (SELECT count(*) FROM credit_reservations) AS reservations,
      (SELECT count(*) FROM payments) AS payments
  `)
  if (!rows[0]) throw new Error('SELECT without FROM returned no row')
  return rows[0]
}

/** How many claims are judged, with or without the tasks. */
export function countProofs(tasks?: Sql): number {
  return proofsWith(tasks).length
}

function proofsWith(tasks: Sql | undefined): Proof[] {
  const own = [...entryProofs, ...grantProofs, ...paymentProofs]
  return tasks === undefined ? own : [...own, ...taskProofs(tasks)]
}

/** `tasks` has the columns task_id, reservation_id, credits_cost, is_open and is_completed. */
function taskProofs(tasks: Sql): Proof[] {
  return [
    {
      invariant: 'M6',
      claim: 'A task is finished exactly when its reservation is settled.',
      counterexamples: sql`
        SELECT r.id AS reservation_id, r.state, t.task_id, t.is_open
        FROM credit_reservations r FULL JOIN (${tasks}) t ON t.reservation_id = r.id
        WHERE r.id IS NULL OR (t.task_id IS NULL AND r.state = 'open')
          OR (r.state = 'open') <> t.is_open`,
    },
    {
      invariant: 'M7',
      claim: 'A completed task is paid with what was reserved at most; any other costs nothing.',
      counterexamples: sql`
        SELECT r.id AS reservation_of, r.state, r.amount, t.*
        FROM credit_reservations r JOIN (${tasks}) t ON t.reservation_id = r.id
        WHERE t.credits_cost <> r.amount OR NOT t.is_open
          AND r.state <> (CASE WHEN t.is_completed THEN 'confirmed' ELSE 'released' END)
            ::credit_reservation_state`,
    },
  ]
}
