import { findUsageDrift } from '@funmagic/asset/usage'
import type { Queryable } from '@funmagic/database/client'
import { sql, type Sql } from '@funmagic/database/sql'
import { countProofs, findViolations } from '@funmagic/ledger/proof'
import { taskSettlements } from '@funmagic/task/settlement'

/** A claim about one snapshot, as the query for the rows that break it. */
interface Invariant {
  readonly name: string
  readonly claim: string
  readonly counterexamples: Sql
}

export interface Violation {
  readonly invariant: string
  readonly claim: string
  readonly rows: readonly object[]
}

// What must hold in every snapshot, whatever is broken. Money is judged by the ledger's own proofs.
const invariants: readonly Invariant[] = [
  {
    name: 'T1',
    claim: 'A task has what its status needs: an end when it has ended, a claim when it works.',
    counterexamples: sql`
      SELECT id, status, attempt, lease_until, finished_at FROM tasks
      WHERE (finished_at IS NOT NULL) <> (status IN ('completed', 'failed', 'canceled'))
        OR (status IN ('processing', 'completed') AND attempt < 1)
        OR (status = 'processing' AND lease_until IS NULL)
        OR (status = 'failed') <> (error_code IS NOT NULL)`,
  },
  {
    name: 'T2',
    claim: 'No call is of an attempt that the task has not had.',
    counterexamples: sql`
      SELECT c.id, c.attempt, t.id AS task_id, t.attempt AS task_attempt
      FROM provider_calls c JOIN tasks t ON t.id = c.task_id WHERE c.attempt > t.attempt`,
  },
  {
    name: 'T6',
    claim: 'A step has at most one call whose answer is wanted, and one that succeeded if it did.',
    counterexamples: sql`
      SELECT t.id, t.status, count(*) FILTER (WHERE c.state IN ('submitted', 'succeeded')) AS live
      FROM tasks t LEFT JOIN provider_calls c ON c.task_id = t.id
      GROUP BY t.id
      HAVING count(*) FILTER (WHERE c.state IN ('submitted', 'succeeded')) > 1
        OR (t.status = 'completed') <> (count(*) FILTER (WHERE c.state = 'succeeded') = 1)`,
  },
  {
    name: 'T7',
    claim: 'A completed task has an output, and only a completed one.',
    counterexamples: sql`
      SELECT t.id, t.status, count(a.id) AS outputs
      FROM tasks t LEFT JOIN assets a ON a.task_id = t.id AND a.task_output IS NOT NULL
      GROUP BY t.id HAVING (t.status = 'completed') <> (count(a.id) > 0)`,
  },
  {
    name: 'T7 inputs',
    claim: 'A task fails for want of its picture only when that was deleted.',
    counterexamples: sql`
      SELECT t.id, a.id AS asset_id, a.bucket, a.storage_key
      FROM tasks t JOIN task_payloads p ON p.task_id = t.id
        JOIN assets a ON a.id::text = p.input->>'assetId'
      WHERE t.error_code = 'INPUT_UNAVAILABLE' AND a.deleted_at IS NULL`,
  },
  {
    name: 'T8',
    claim: 'A child starts after its parent has completed, and ends with one that did not.',
    counterexamples: sql`
      SELECT child.id, child.status, child.attempt, parent.id AS parent_id,
        parent.status AS parent_status
      FROM tasks child JOIN tasks parent ON parent.id = child.parent_task_id
      WHERE (child.attempt > 0 AND parent.status <> 'completed')
        OR (child.waits_for_parent AND child.finished_at IS NULL AND parent.status = 'completed')
        OR (child.finished_at IS NULL AND parent.status IN ('failed', 'canceled'))`,
  },
  {
    name: 'S4',
    claim: 'An asset lies where its visibility says, or a move is on its way there.',
    counterexamples: sql`
      SELECT a.id, a.visibility, a.bucket FROM assets a
      WHERE a.deleted_at IS NULL
        AND a.bucket::text <> replace(a.visibility::text, 'admin-private', 'admin')
        AND NOT EXISTS (
          SELECT FROM asset_moves m WHERE m.asset_id = a.id AND m.state = 'copying'
            AND m.to_bucket::text = replace(a.visibility::text, 'admin-private', 'admin'))
      UNION ALL
      SELECT id, visibility, bucket FROM assets
      WHERE bucket = 'private' AND storage_key NOT LIKE 'private/' || user_id || '/%'
        OR bucket = 'public' AND storage_key NOT LIKE 'public/%'`,
  },
  {
    name: 'S5',
    claim: 'Two assets never share their bytes.',
    counterexamples: sql`
      SELECT bucket, storage_key, count(*) FROM assets
      WHERE deleted_at IS NULL GROUP BY 1, 2 HAVING count(*) > 1`,
  },
  {
    name: 'L1',
    claim: 'A completed upload is an asset, and no other is.',
    counterexamples: sql`
      SELECT id, state, asset_id FROM uploads
      WHERE (state = 'completed') <> (asset_id IS NOT NULL)`,
  },
  {
    name: 'M10',
    claim: 'A key of a user names one task.',
    counterexamples: sql`
      SELECT user_id, idempotency_key, count(*) FROM tasks
      WHERE idempotency_key IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1`,
  },
]

const driftMax = 10

/** How many claims each snapshot is held against; history.ts of the checker adds one. */
export const invariantCount = countProofs(taskSettlements) + invariants.length + 1

/** The claims that the snapshot of this transaction breaks. */
export async function findBroken(tx: Queryable): Promise<Violation[]> {
  const violations: Violation[] = [...(await findViolations(tx, taskSettlements))]
  for (const { name, claim, counterexamples } of invariants) {
    const { rows } = await tx.query(sql`SELECT * FROM (${counterexamples}) x LIMIT 20`)
    if (rows.length > 0) violations.push({ invariant: name, claim, rows })
  }
  const drift = await findUsageDrift(tx, { usersMax: driftMax })
  const claim = 'What a user keeps is counted exactly.'
  if (drift.length > 0) violations.push({ invariant: 'S10', claim, rows: drift })
  return violations
}
