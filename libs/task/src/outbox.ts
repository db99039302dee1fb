import type { TaskJob } from '@funmagic/contract/task'
import type { Database, Queryable } from '@funmagic/database/client'

/** A wake-up on its way to the queue. The id is the same for every repeat of one wake-up. */
export interface WakeUp {
  readonly id: string
  readonly job: TaskJob
}

/**
 * Sends due wake-ups, oldest first, and marks them sent after `send` succeeded; returns how many.
 * Rows taken by another relay are skipped. A crash in between sends them again, which is harmless:
 * only a claim has an effect. `send` must give up within 4 seconds, as a transaction is open.
 */
export declare function relayOutbox(
  database: Database,
  send: (wakeUps: readonly WakeUp[]) => Promise<void>,
  options: { batchSize: number },
): Promise<number>

/** How many wake-ups are due but not sent, and for how long the oldest has been (T5). */
export declare function readBacklog(
  database: Queryable,
): Promise<{ unsent: number; oldestAgeMs: number }>

/** Deletes at most `limit` wake-ups that were sent longer ago than the age; returns how many. */
export declare function purgeSent(
  database: Queryable,
  options: { olderThanMs: number; limit: number },
): Promise<number>
