import t, { type Test } from 'tap'
import { sql, type Sql } from '@funmagic/database/sql'
import { createTestDatabase } from '@funmagic/database/testing'
import { inTransaction } from '@funmagic/database/transaction'
import { findViolations } from '../src/proof.ts'
import { confirm, release } from '../src/reservations.ts'
import { createAccount, reserveCredits, tamper } from './account-fixture.ts'

/** Books of one user with a spent and a released reservation, in a database of their own. */
async function setup(t: Test) {
  const { database } = await createTestDatabase(t)
  const userId = await createAccount(database, 100)
  const spent = await reserveCredits(database, userId, 20)
  const returned = await reserveCredits(database, userId, 30)
  await inTransaction(database, tx => confirm(tx, spent, 15))
  await inTransaction(database, tx => release(tx, returned))
  return database
}

async function brokenBy(t: Test, statement: string): Promise<string[]> {
  const database = await setup(t)
  await tamper(database, statement)
  return (await findViolations(database)).map(violation => violation.invariant)
}

t.test('sound books have no violations', async t => {
  t.strictSame(await findViolations(await setup(t)), [])
})

const frauds = [
  ['M1', 'UPDATE credits SET balance = balance + 1'],
  ['M1', 'DELETE FROM credits'],
  ['M2', 'ALTER TABLE credits DROP CONSTRAINT credits_not_negative'],
  ['M3', 'UPDATE credit_transactions SET balance_after = 1 WHERE seq = 2'],
  ['M3', 'UPDATE credit_transactions SET seq = 9 WHERE seq = 5'],
  ['M5', "DELETE FROM credit_transactions WHERE type = 'reservation'"],
  ['M5', 'DROP INDEX credit_transactions_one_settlement'],
  ['M7', "UPDATE credit_reservations SET spent_amount = 16 WHERE state = 'confirmed'"],
  ['M7', "DELETE FROM credit_transactions WHERE type = 'spend'"],
  ['M8', "DELETE FROM credit_transactions WHERE type = 'release'"],
  ['M12', 'UPDATE credits SET balance = balance + 1'],
  ['M16', 'UPDATE credits SET lifetime_purchased = 1000000'],
] as const

for (const [invariant, statement] of frauds) {
  t.test(`${invariant} notices: ${statement}`, async t => {
    t.ok((await brokenBy(t, statement)).includes(invariant))
  })
}

/** A task beside the reservation, as libs/task shows its tasks to the proof. */
function taskOf(reservationId: string | null, isOpen: boolean, isCompleted: boolean): Sql {
  return sql`SELECT 'task' AS task_id, ${reservationId}::uuid AS reservation_id,
    1 AS credits_cost, ${isOpen}::boolean AS is_open, ${isCompleted}::boolean AS is_completed`
}

/** A reservation of one credit, settled as told, and what the proof says beside the task. */
async function brokenBeside(
  t: Test,
  settlement: 'open' | 'confirmed' | 'released',
  status: { isOpen: boolean; isCompleted: boolean },
): Promise<string[]> {
  const { database } = await createTestDatabase(t)
  const id = await reserveCredits(database, await createAccount(database, 1), 1)
  if (settlement === 'confirmed') await inTransaction(database, tx => confirm(tx, id, 1))
  if (settlement === 'released') await inTransaction(database, tx => release(tx, id))
  const violations = await findViolations(database, taskOf(id, status.isOpen, status.isCompleted))
  return violations.map(violation => violation.invariant)
}

const open = { isOpen: true, isCompleted: false }
const completed = { isOpen: false, isCompleted: true }
const failed = { isOpen: false, isCompleted: false }

t.test('tasks and reservations that agree are no violation', async t => {
  t.strictSame(await brokenBeside(t, 'open', open), [])
  t.strictSame(await brokenBeside(t, 'confirmed', completed), [])
  t.strictSame(await brokenBeside(t, 'released', failed), [])
})

t.test('M6 notices an open task that is settled and a finished one that is not', async t => {
  t.strictSame(await brokenBeside(t, 'confirmed', open), ['M6'])
  t.ok((await brokenBeside(t, 'open', completed)).includes('M6'))
  t.ok((await brokenBeside(t, 'open', failed)).includes('M6'))
})

t.test('M7 notices a failed task that was paid and a completed one that was not', async t => {
  t.strictSame(await brokenBeside(t, 'confirmed', failed), ['M7'])
  t.strictSame(await brokenBeside(t, 'released', completed), ['M7'])
})

t.test('M6 notices a task without a reservation, and an open reservation without one', async t => {
  const database = await setup(t)
  await reserveCredits(database, await createAccount(database, 1), 1)

  const violations = await findViolations(database, taskOf(null, true, false))

  t.match(violations, [{ invariant: 'M6', rows: { length: 2 } }])
})
