import t, { type Test } from 'tap'
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

t.test('M6 notices an open reservation without a task', async t => {
  const database = await setup(t)
  await reserveCredits(database, await createAccount(database, 1), 1)

  t.match(await findViolations(database), [{ invariant: 'M6', rows: [{ state: 'open' }] }])
})
