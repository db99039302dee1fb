import type { UserEvent } from '@funmagic/contract/progress'
import type { Redis } from '@funmagic/runtime/redis'
import type { UserId } from '@funmagic/contract/ids'
import { readUserEvents } from '@funmagic/task/progress-channel'
import type { Source } from './follow.ts'
import type { SourceDeps } from './task-source.ts'

/** All that concerns one user: the events of all their tasks, and their balance. */
export function userSource(deps: Omit<SourceDeps, 'database'>, userId: UserId): Source<UserEvent> {
  return {
    watch: watcher => deps.channels.watchUser(userId, watcher),
    read: afterId => readUserEvents(deps.redis, userId, afterId),
    snapshot: async () => ({ type: 'reset', userId }),
    isLast: () => false,
  }
}

/**
 * Where a stream begins for who comes without a last id: behind the newest event. They want what
 * happens from here on, not the history.
 */
export async function newestIdOf(redis: Redis, userId: UserId): Promise<string | undefined> {
  const { lastId } = await readUserEvents(redis, userId)
  return lastId
}
