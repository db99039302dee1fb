import { sql } from '@funmagic/database/sql'
import type { Test } from 'tap'
import { assertBooks, rowsOf } from './runner.ts'
import { isCompleted, submitsOf, type Site } from './worker-process.ts'

/** Every place where a worker may die (reliability, W1–W9), in the order of a task's life. */
export const points = [
  ...(['worker.fetched', 'worker.claimed', 'worker.admitted', 'worker.submitting'] as const),
  ...(['worker.accepted', 'worker.submitted', 'worker.received', 'worker.stored'] as const),
  ...(['worker.settling', 'worker.settled', 'worker.announced'] as const),
]

/** A worker whose locks, slots and retries run out in seconds. */
export const quick = {
  WORKER_LOCK_MS: '1000',
  TASK_RETRY_DELAY_MS: '20',
  TASK_RETRIES_MAX: '10',
  PROVIDER_SLOT_LEASE_SECONDS: '5',
}

/**
 * T3, T4, T6 and M6–M8, once everything has healed: a task is submitted once, and once more for
 * each end of a worker between sending and learning the id.
 */
export async function assertHealed(
  t: Test,
  site: Site,
  { taskIds, thrown = 0 }: { taskIds: readonly string[]; thrown?: number },
): Promise<void> {
  for (const taskId of taskIds) await isCompleted(site, taskId)
  const unknowns = sql`SELECT count(*) AS count FROM provider_calls WHERE error_kind = 'unknown'`
  const [row] = await rowsOf(site, unknowns)
  const [submits, doubtful] = [await submitsOf(site, 'fal'), Number(row?.['count']) + thrown]
  t.comment(`${taskIds.length} tasks, ${submits} submissions, ${doubtful} calls in doubt`)
  t.ok(submits >= taskIds.length && submits <= taskIds.length + doubtful)
  await assertBooks(t, site, taskIds.length)
}
