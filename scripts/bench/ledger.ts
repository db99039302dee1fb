import { newId, type UserId } from '@funmagic/contract/ids'
import type { Database } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import { openAccount } from '@funmagic/ledger/accounts'
import { confirm, reserve } from '@funmagic/ledger/reservations'
import { timed, type Comparison } from './comparison.ts'
import type { Setting } from './setting.ts'

const lanes = 64
const pairsOfLane = 8
const credits = 1_000_000_000

/** Reserving and confirming: one user who does everything at once against as many users (L9). */
export async function ledgerComparisons(setting: Setting): Promise<readonly Comparison[]> {
  const { database } = await setting.openDatabase()
  // As many at once as there are lanes, here and below.
  const users = await Promise.all(Array.from({ length: lanes }, () => createAccount(database)))
  const [hot] = users
  if (hot === undefined) throw new Error('there are no users')
  const pairs = (of: readonly UserId[]) => async () => {
    // One for each lane.
    const durationMs = await timed(() => Promise.all(of.map(userId => work(database, userId))))
    return (lanes * pairsOfLane * 1000) / durationMs
  }
  return [
    {
      title: 'pairs of one hot user',
      unit: 'pairs/s',
      ours: { name: `${lanes} at once, one user`, run: pairs(users.map(() => hot)) },
      bare: { name: `${lanes} at once, ${lanes} users`, run: pairs(users) },
      bound: { atLeast: 0.25 },
    },
  ]
}

async function createAccount(database: Database): Promise<UserId> {
  const userId: UserId = newId()
  await database.query(sql`
    INSERT INTO users (id, email, name) VALUES (${userId}, ${`${userId}@example.com`}, 'Ada')`)
  await inTransaction(database, tx => openAccount(tx, { userId, bonusCredits: credits }))
  return userId
}

async function work(database: Database, userId: UserId): Promise<void> {
  for (let pair = 0; pair < pairsOfLane; pair++) {
    const deadlineAt = new Date(Date.now() + 60_000)
    const { reservationId } = await inTransaction(database, tx =>
      reserve(tx, { userId, referenceId: newId(), amount: 2, deadlineAt }),
    )
    await inTransaction(database, tx => confirm(tx, reservationId, 1))
  }
}
