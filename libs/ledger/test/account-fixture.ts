import { newId, type UserId } from '@funmagic/contract/ids'
import type { Database } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import { openAccount } from '../src/accounts.ts'
import { reserve } from '../src/reservations.ts'

/** A user as the ledger sees one: a row to point at. */
export async function createUser(database: Database): Promise<UserId> {
  const userId: UserId = newId()
  await database.query(sql`
    INSERT INTO users (id, email, name) VALUES (${userId}, ${`${userId}@example.com`}, 'Ada')
  `)
  return userId
}

/** A user with an open account that holds so many credits. */
export async function createAccount(database: Database, bonusCredits: number): Promise<UserId> {
  const userId = await createUser(database)
  await inTransaction(database, tx => openAccount(tx, { userId, bonusCredits }))
  return userId
}

export async function reserveCredits(database: Database, userId: UserId, amount: number) {
  const deadlineAt = new Date(Date.now() + 60_000)
  const referenceId = newId()
  const reservation = { userId, referenceId, amount, deadlineAt }
  const { reservationId } = await inTransaction(database, tx => reserve(tx, reservation))
  return reservationId
}

/** Writes past every constraint and trigger, to see whether a proof notices. */
export async function tamper(database: Database, statement: string): Promise<void> {
  const client = await database.pool.connect()
  try {
    await client.query('SET session_replication_role = replica')
    await client.query(statement)
  } finally {
    client.release(true)
  }
}
