import { isTerminal, type ProgressEvent } from '@funmagic/contract/progress'
import type { TaskId, UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import type { Database } from '@funmagic/database/client'
import type { Redis } from '@funmagic/runtime/redis'
import { readEvents } from '@funmagic/task/progress-channel'
import { findTask } from '@funmagic/task/tasks'
import type { Channels } from './channels.ts'
import type { Source } from './follow.ts'
import { snapshotOf } from './frames.ts'

export interface SourceDeps {
  readonly database: Database
  readonly redis: Redis
  readonly channels: Channels
}

/** The events of one task of this user. */
export function taskSource(
  deps: SourceDeps,
  wanted: { userId: UserId; taskId: TaskId },
): Source<ProgressEvent> {
  return {
    watch: watcher => deps.channels.watchTask(wanted.taskId, watcher),
    read: afterId => readEvents(deps.redis, wanted.taskId, afterId),
    snapshot: async () => {
      const task = await findTask(deps.database, wanted)
      if (task === undefined) throw new AppError('NOT_FOUND')
      return { type: 'reset', ...snapshotOf(task) }
    },
    isLast: isTerminal,
  }
}
