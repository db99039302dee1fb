import { isTerminal, type ProgressEvent } from '@funmagic/contract/progress'
import type { TaskId, UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import type { Redis } from '@funmagic/runtime/redis'
import { readEvents } from '@funmagic/task/progress-channel'
import type { ProgressSubscriber } from '@funmagic/task/progress-subscriber'
import { findTask } from '@funmagic/task/tasks'
import type { Source } from './follow.ts'
import { snapshotOf } from './frames.ts'
import type { Reconnections } from './reconnections.ts'

export interface SourceDeps {
  readonly database: Database
  readonly redis: Redis
  readonly subscriber: ProgressSubscriber
  readonly reconnections: Reconnections
}

/** The events of one task of this user. */
export function taskSource(
  deps: SourceDeps,
  wanted: { userId: UserId; taskId: TaskId },
): Source<ProgressEvent> {
  return {
    watch: watcher =>
      deps.reconnections.keep(watcher.onReconnect, () =>
        deps.subscriber.watchTask(wanted.taskId, watcher.listener),
      ),
    read: afterId => readEvents(deps.redis, wanted.taskId, afterId),
    snapshot: async () => {
      const task = await findTask(deps.database, wanted)
      if (task === undefined) throw new AppError('NOT_FOUND')
      return { type: 'reset', ...snapshotOf(task) }
    },
    isLast: isTerminal,
  }
}
