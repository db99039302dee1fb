import type { TaskId, UserId } from '@funmagic/contract/ids'
import type { NumberedEvent, NumberedUserEvent } from '@funmagic/contract/progress'
import type { Redis } from '@funmagic/runtime/redis'
import { ProgressSubscriber } from '@funmagic/task/progress-subscriber'
import type { Watcher } from './follow.ts'

/** What happens to tasks and users, told live; and told when some of it may have been missed. */
export class Channels {
  readonly #subscriber: ProgressSubscriber
  readonly #onReconnect = new Set<() => void>()

  /** `redis` is a connection for this purpose alone; its owner closes it. */
  constructor(deps: { redis: Redis; watchesMax: number; onError: (error: Error) => void }) {
    this.#subscriber = new ProgressSubscriber({
      ...deps,
      onReconnect: () => {
        for (const listener of this.#onReconnect) listener()
      },
    })
  }

  async watchTask(taskId: TaskId, watcher: Watcher<NumberedEvent['event']>) {
    return this.#keep(watcher, await this.#subscriber.watchTask(taskId, watcher.listener))
  }

  async watchUser(userId: UserId, watcher: Watcher<NumberedUserEvent['event']>) {
    return this.#keep(watcher, await this.#subscriber.watchUser(userId, watcher.listener))
  }

  /** Redis channels that are subscribed to, for the leak gauge. */
  get count(): number {
    return this.#subscriber.channelCount()
  }

  #keep(watcher: { onReconnect: () => void }, unwatch: () => void): () => void {
    this.#onReconnect.add(watcher.onReconnect)
    return () => {
      this.#onReconnect.delete(watcher.onReconnect)
      unwatch()
    }
  }
}
