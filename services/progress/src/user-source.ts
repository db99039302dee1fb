import type { UserEvent } from '@funmagic/contract/progress'
import type { UserId } from '@funmagic/contract/ids'
import { readUserEvents } from '@funmagic/task/progress-channel'
import type { Source } from './follow.ts'
import type { SourceDeps } from './task-source.ts'

/** All that concerns one user: the events of all their tasks, and their balance. */
export function userSource(deps: Omit<SourceDeps, 'database'>, userId: UserId): Source<UserEvent> {
  return {
    watch: watcher =>
      deps.reconnections.keep(watcher.onReconnect, () =>
        deps.subscriber.watchUser(userId, watcher.listener),
      ),
    read: async afterId => {
      const replay = await readUserEvents(deps.redis, userId, afterId)
      // Whoever comes without a last id wants what happens from here on, not the history.
      return afterId === undefined ? { ...replay, events: [] } : replay
    },
    snapshot: async () => ({ type: 'reset', userId }),
    isLast: () => false,
  }
}
