import type { UserId } from '@funmagic/contract/ids'
import type { Database } from '@funmagic/database/client'
import { balanceOf } from '@funmagic/ledger/accounts'
import type { LowBalance } from '@funmagic/ledger/low-balances'
import type { Redis } from '@funmagic/runtime/redis'
import { rememberPurchased } from '@funmagic/session/rate-limits'
import { publishBalance } from '@funmagic/task/progress-channel'
import type { Events } from './events.ts'

/** Tells what is committed; never rejects, because the ledger is right without it. */
export interface Announcer {
  /** The balance goes to the user's stream (C8), and the tier follows at once (TR15). */
  creditsChanged(userId: UserId): Promise<void>
  balanceIsLow(low: LowBalance): Promise<void>
}

export function createAnnouncer(deps: {
  readonly database: Database
  readonly redis: Redis
  readonly events: Events
}): Announcer {
  const { database, redis, events } = deps
  const attempt = async (userId: UserId, work: () => Promise<unknown>): Promise<void> => {
    try {
      await work()
    } catch (error) {
      // A client that misses the push reads the balance; a tier is read again in five minutes.
      events.announcementFailed(error, userId)
    }
  }
  return {
    creditsChanged: userId =>
      attempt(userId, async () => {
        const balance = await balanceOf(database, userId)
        const { lifetimePurchased } = balance
        await rememberPurchased(redis, { userId, lifetimePurchased })
        await publishBalance(redis, userId, balance)
      }),
    balanceIsLow: ({ userId, balance, reservedBalance, threshold: lowThreshold }) =>
      attempt(userId, () =>
        publishBalance(redis, userId, { balance, reservedBalance, lowThreshold }),
      ),
  }
}
