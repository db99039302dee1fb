import type { TaskId } from '@funmagic/contract/ids'
import type { Queryable } from '@funmagic/database/client'
import { prepared, sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'
import { finishTasks, type FinishedTask } from './finish.ts'
import { wakeMoved } from './task-rows.ts'

/**
 * A child that was submitted while its parent is unfinished waits for it: it is pending, paid for,
 * and has no wake-up. It is let go in the transaction that completes the parent, and canceled in
 * the one that ends the parent otherwise. Both come after the statement that ended the parent,
 * whose row lock a submission of a child takes a share of: so none slips in between.
 */
const isWaiting = sql`waits_for_parent AND status = 'pending'`

/** As deep as a chain can get: a step waits for the step before it, and a tool has 20. */
const depthMax = 20

/**
 * Wakes the children that waited for the task, in the transaction that completes it; nothing when
 * it is not completed. Their time counts from here; their deadline before was that of the parent
 * and this time together.
 */
export async function releaseChildren(tx: Transaction, parentId: TaskId): Promise<void> {
  await tx.query(
    prepared(sql`
    WITH moved AS (
      UPDATE tasks SET waits_for_parent = false, ready_at = now(),
        deadline_at = least(deadline_at, now() + timeout_ms * interval '1 millisecond')
      WHERE parent_task_id = ${parentId} AND ${isWaiting}
        AND (SELECT status = 'completed' FROM tasks parent WHERE parent.id = ${parentId})
      RETURNING *
    )
    ${wakeMoved(0)}
  `),
  )
}

/** Cancels whatever waits for the task, in the transaction that ends it without a result. */
export async function cancelChildren(tx: Transaction, parentId: TaskId): Promise<FinishedTask[]> {
  const canceled: FinishedTask[] = []
  let parentIds: TaskId[] = [parentId]
  for (let depth = 0; depth < depthMax && parentIds.length > 0; depth++) {
    const children = await finishTasks(tx, {
      set: sql`status = 'canceled'`,
      where: sql`parent_task_id = ANY (${parentIds}::uuid[]) AND ${isWaiting}`,
      payload: {},
    })
    canceled.push(...children)
    parentIds = children.map(child => child.taskId)
  }
  return canceled
}

export interface Stranded {
  readonly parentId: TaskId
  readonly isParentCompleted: boolean
}

/**
 * Parents that have ended and whose children still wait. Only a release before chains leaves such
 * behind, while two releases run at once; settle each with releaseChildren or cancelChildren.
 */
export async function findStranded(
  database: Queryable,
  options: { limit: number },
): Promise<Stranded[]> {
  const { rows } = await database.query<Stranded>(sql`
    SELECT DISTINCT parent.id AS "parentId", parent.status = 'completed' AS "isParentCompleted"
    FROM tasks JOIN tasks parent ON parent.id = tasks.parent_task_id
    WHERE tasks.waits_for_parent AND tasks.status = 'pending'
      AND parent.status IN ('completed', 'failed', 'canceled')
    LIMIT ${options.limit}
  `)
  return rows
}
