import t from 'tap'
import { newId } from '@funmagic/contract/ids'
import { createTestDatabase } from '@funmagic/database/testing'
import { inTransaction } from '@funmagic/database/transaction'
import { balanceOf, openAccount } from '../src/accounts.ts'
import { listEntries } from '../src/entries.ts'
import { findViolations } from '../src/proof.ts'
import { createAccount, createUser } from './account-fixture.ts'

const { database } = await createTestDatabase(t)

t.test('a new account holds the bonus and one entry that says why', async t => {
  const userId = await createAccount(database, 100)

  const { items } = await listEntries(database, userId, { limit: 10, beforeId: undefined })

  t.match(await balanceOf(database, userId), { balance: 100, lifetimeEarned: 100 })
  t.match(items, [{ type: 'bonus', seq: 1, referenceId: `signup:${userId}`, balanceAfter: 100 }])
})

t.test('opening an account again, even at the same moment, gives the bonus once', async t => {
  const userId = await createUser(database)
  const open = () => inTransaction(database, tx => openAccount(tx, { userId, bonusCredits: 50 }))

  await Promise.all([open(), open(), open(), open()])

  t.match(await balanceOf(database, userId), { balance: 50, lifetimeEarned: 50 })
})

t.test('an account without a bonus opens empty', async t => {
  const userId = await createAccount(database, 0)

  const { items } = await listEntries(database, userId, { limit: 10, beforeId: undefined })

  t.equal((await balanceOf(database, userId)).balance, 0)
  t.strictSame(items, [])
})

t.test('a user without an account owns nothing', async t => {
  t.match(await balanceOf(database, newId()), { balance: 0, reservedBalance: 0 })
})

t.test('the books are right afterwards', async t => {
  t.strictSame(await findViolations(database), [])
})
