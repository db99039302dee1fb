import type { TaskId, UserId } from '@funmagic/contract/ids'
import type { ProgressEvent } from '@funmagic/contract/progress'
import type { Database } from '@funmagic/database/client'
import { balanceOf } from '@funmagic/ledger/accounts'
import type { HeldBalance } from '@funmagic/ledger/reservations'
import type { Redis } from '@funmagic/runtime/redis'
import { publishBalance, publishEvent } from '@funmagic/task/progress-channel'
import { failureMessages, type FailureCode } from '@funmagic/task/task-state'
import type { Events } from './events.ts'

interface Addressee {
  readonly taskId: TaskId
  readonly userId: UserId
}

/** Tells the streams what has been committed. Nothing waits for it and nothing depends on it. */
export interface Announcer {
  /** `now` is what it came to, from whoever has changed it. */
  balanceChanged(userId: UserId, now?: HeldBalance): void
  taskCanceled(to: Addressee): void
  taskFailed(to: Addressee, code: FailureCode): void
}

/**
 * Publishes after the commit. When Redis is away or the process dies in between, the watchers
 * read the same from Postgres a few seconds later (W8, P7).
 */
export function createAnnouncer(deps: {
  database: Database
  redis: Redis
  events: Events
}): Announcer {
  const { database, redis, events } = deps

  async function pushBalance(userId: UserId, now?: HeldBalance): Promise<void> {
    const { balance, reservedBalance } = now ?? (await balanceOf(database, userId))
    await publishBalance(redis, userId, { balance, reservedBalance })
  }

  async function pushEnd(to: Addressee, event: ProgressEvent): Promise<void> {
    await publishEvent(redis, to, event)
    await pushBalance(to.userId)
  }

  function start(push: Promise<void>, userId: UserId): void {
    push.catch((error: unknown) => events.announcementFailed(error, userId))
  }

  return {
    balanceChanged: (userId, now) => start(pushBalance(userId, now), userId),
    taskCanceled: to => start(pushEnd(to, { type: 'canceled' }), to.userId),
    taskFailed: (to, code) => {
      const error = { code, message: failureMessages[code] }
      start(pushEnd(to, { type: 'failed', error }), to.userId)
    },
  }
}
