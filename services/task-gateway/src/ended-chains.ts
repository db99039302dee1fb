import type { Transaction } from '@funmagic/database/transaction'
import { release } from '@funmagic/ledger/reservations'
import type { EndedTask } from '@funmagic/task/lifecycle'
import type { Announcer } from './announcer.ts'
import type { Events } from './events.ts'

/** Returns the credits of a task that ended without a result, and of all that waited for it. */
export async function releaseAll(tx: Transaction, ended: EndedTask): Promise<void> {
  for (const task of [ended, ...ended.dependents]) await release(tx, task.reservationId)
}

/** Tells the streams, after the commit, of the end of the task and of those that waited for it. */
export function announceEnd(
  { announcer, events }: { readonly announcer: Announcer; readonly events: Events },
  { dependents }: EndedTask,
  announce: () => void,
): void {
  announce()
  for (const task of dependents) {
    events.dependentCanceled(task)
    announcer.taskCanceled(task)
  }
}
