import t from 'tap'
import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { createTestDatabase } from '@funmagic/database/testing'
import { inTransaction } from '@funmagic/database/transaction'
import { balanceOf } from '../src/accounts.ts'
import { listEntries } from '../src/entries.ts'
import {
  AlreadySettled,
  confirm,
  findOverdueReservations,
  release,
  reserve,
} from '../src/reservations.ts'
import { createAccount, reserveCredits } from './account-fixture.ts'

const { database } = await createTestDatabase(t)
const soon = () => new Date(Date.now() + 60_000)

async function historyOf(userId: string) {
  const { items } = await listEntries(database, userId, { limit: 100, beforeId: undefined })
  return items.map(({ type, amount, balanceAfter, reservedAfter }) => {
    return [type, amount, balanceAfter, reservedAfter]
  })
}

t.test('a reservation moves credits from the balance to the reserve', async t => {
  const userId = await createAccount(database, 100)

  await reserveCredits(database, userId, 30)

  t.match(await balanceOf(database, userId), { balance: 70, reservedBalance: 30 })
  t.strictSame((await historyOf(userId))[0], ['reservation', -30, 70, 30])
})

t.test('a reservation larger than the balance is refused and writes nothing', async t => {
  const userId = await createAccount(database, 29)

  await t.rejects(reserveCredits(database, userId, 30), {
    code: 'INSUFFICIENT_CREDITS',
    details: { required: 30, balance: 29 },
  })

  t.match(await balanceOf(database, userId), { balance: 29, reservedBalance: 0 })
  t.equal((await historyOf(userId)).length, 1)
})

t.test('whoever has no account cannot reserve', async t => {
  await t.rejects(reserveCredits(database, newId(), 1), { code: 'INSUFFICIENT_CREDITS' })
})

t.test('one task has one reservation', async t => {
  const userId = await createAccount(database, 10)
  const reservation = { userId, referenceId: newId(), amount: 1, deadlineAt: soon() }
  await inTransaction(database, tx => reserve(tx, reservation))

  const again = inTransaction(database, tx => reserve(tx, reservation))

  await t.rejects(again, { code: '23505' })
  t.match(await balanceOf(database, userId), { balance: 9, reservedBalance: 1 })
})

t.test('confirming in full spends what was reserved', async t => {
  const userId = await createAccount(database, 100)
  const reservationId = await reserveCredits(database, userId, 30)

  const balance = await inTransaction(database, tx => confirm(tx, reservationId, 30))

  t.same(balance, { balance: 70, reservedBalance: 0 })
  t.match(await balanceOf(database, userId), { balance: 70, lifetimeSpent: 30 })
  t.strictSame((await historyOf(userId))[0], ['spend', -30, 70, 0])
})

t.test('confirming in part returns the rest', async t => {
  const userId = await createAccount(database, 100)
  const reservationId = await reserveCredits(database, userId, 30)

  const balance = await inTransaction(database, tx => confirm(tx, reservationId, 12))

  t.same(balance, { balance: 88, reservedBalance: 0 })
  t.match(await balanceOf(database, userId), { balance: 88, lifetimeSpent: 12 })
  t.strictSame((await historyOf(userId))[0], ['spend', -12, 88, 0])
})

t.test('confirming nothing returns everything', async t => {
  const userId = await createAccount(database, 5)
  const reservationId = await reserveCredits(database, userId, 5)

  const balance = await inTransaction(database, tx => confirm(tx, reservationId, 0))

  t.same(balance, { balance: 5, reservedBalance: 0 })
  t.match(await balanceOf(database, userId), { balance: 5, lifetimeSpent: 0 })
})

t.test('releasing returns everything and spends nothing', async t => {
  const userId = await createAccount(database, 100)
  const reservationId = await reserveCredits(database, userId, 30)

  const balance = await inTransaction(database, tx => release(tx, reservationId))

  t.same(balance, { balance: 100, reservedBalance: 0 })
  t.match(await balanceOf(database, userId), { balance: 100, lifetimeSpent: 0 })
  t.strictSame((await historyOf(userId))[0], ['release', 30, 100, 0])
})

t.test('settling twice is an error that leaves the transaction usable', async t => {
  const userId = await createAccount(database, 100)
  const reservationId = await reserveCredits(database, userId, 30)
  await inTransaction(database, tx => release(tx, reservationId))

  await inTransaction(database, async tx => {
    await t.rejects(confirm(tx, reservationId, 30), new AlreadySettled(reservationId, 'released'))
    await t.rejects(release(tx, reservationId), new AlreadySettled(reservationId, 'released'))
    t.equal((await balanceOf(tx, userId)).balance, 100)
  })
})

t.test('more than was reserved cannot be spent', async t => {
  const userId = await createAccount(database, 100)
  const reservationId = await reserveCredits(database, userId, 30)
  const spend = (spent: number) => inTransaction(database, tx => confirm(tx, reservationId, spent))

  await t.rejects(spend(31), RangeError)
  await t.rejects(spend(-1), { name: 'AssertionError' })
  await t.rejects(spend(0.5), { name: 'AssertionError' })

  t.match(await balanceOf(database, userId), { balance: 70, reservedBalance: 30 })
})

t.test('a reservation that is not there cannot be settled', async t => {
  await t.rejects(
    inTransaction(database, tx => release(tx, newId())),
    RangeError,
  )
})

t.test('a rolled back transaction leaves no trace of its reservation', async t => {
  const userId = await createAccount(database, 10)
  const work = inTransaction(database, async tx => {
    await reserve(tx, { userId, referenceId: newId(), amount: 10, deadlineAt: soon() })
    throw new Error('the task could not be recorded')
  })

  await t.rejects(work, /could not be recorded/)

  t.match(await balanceOf(database, userId), { balance: 10, reservedBalance: 0 })
})

t.test('open reservations past their deadline are found, oldest first', async t => {
  const userId = await createAccount(database, 10)
  const overdue = await reserveCredits(database, userId, 1)
  await reserveCredits(database, userId, 1)
  await database.query(sql`
    UPDATE credit_reservations SET deadline_at = now() - interval '1 second' WHERE id = ${overdue}
  `)

  const found = await findOverdueReservations(database, { limit: 10 })

  t.match(found, [{ reservationId: overdue, userId, amount: 1 }])
})
