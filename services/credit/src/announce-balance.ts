import type { Entry } from '@funmagic/ledger/entries'
import type { Redis } from '@funmagic/runtime/redis'
import { publishBalance } from '@funmagic/task/progress-channel'
import type { Events } from './events.ts'

/**
 * Pushes the balance after the entry to the user's stream (C8). The reply does not wait for it:
 * the entry is committed, and a client that misses the push reads the balance.
 */
export function createBalanceAnnouncer(redis: Redis, events: Events): (entry: Entry) => void {
  return ({ userId, balanceAfter, reservedAfter }) => {
    const balance = { balance: balanceAfter, reservedBalance: reservedAfter }
    publishBalance(redis, userId, balance).catch((error: unknown) =>
      events.announcementFailed(error, userId),
    )
  }
}
