import type { TaskId, UserId } from '@funmagic/contract/ids'
import type { TaskStatus } from '@funmagic/contract/task'
import type { Queryable } from '@funmagic/database/client'

/** A task that somebody has to look after. Settle each in a transaction of its own. */
export interface StrayTask {
  readonly taskId: TaskId
  readonly userId: UserId
  readonly status: TaskStatus
  readonly attempt: number
}

/**
 * processing with an expired lease → pending with a wake-up at once. A task that was rescued
 * `rescuesMax` times already is left for findPoisoned (T11). Two sweepers never take the same.
 */
export declare function rescueExpired(
  database: Queryable,
  options: { limit: number; rescuesMax: number },
): Promise<StrayTask[]>

/** Tasks whose worker vanished once more after `rescuesMax` rescues: fail them with POISON. */
export declare function findPoisoned(
  database: Queryable,
  options: { limit: number; rescuesMax: number },
): Promise<StrayTask[]>

/** Open tasks past their deadline: fail them with DEADLINE_EXCEEDED. */
export declare function findOverdue(
  database: Queryable,
  options: { limit: number },
): Promise<StrayTask[]>

/**
 * Writes another wake-up for pending tasks whose last one left for the queue more than
 * `olderThanMs` ago and was not followed by a claim (after FLUSHALL, for example; T3).
 */
export declare function redispatchLost(
  database: Queryable,
  options: { limit: number; olderThanMs: number },
): Promise<StrayTask[]>
