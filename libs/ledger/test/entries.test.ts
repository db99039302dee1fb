import t from 'tap'
import { newId } from '@funmagic/contract/ids'
import { createTestDatabase } from '@funmagic/database/testing'
import { inTransaction } from '@funmagic/database/transaction'
import { balanceOf } from '../src/accounts.ts'
import { listEntries, postEntry, type NewEntry } from '../src/entries.ts'
import { findViolations } from '../src/proof.ts'
import { confirm, release, reserve } from '../src/reservations.ts'
import { createAccount, createUser, reserveCredits } from './account-fixture.ts'

const { database } = await createTestDatabase(t)

function post(entry: NewEntry) {
  return inTransaction(database, tx => postEntry(tx, entry))
}

t.test('a purchase raises the balance and what was ever bought', async t => {
  const userId = await createAccount(database, 10)

  const posting = await post({ userId, type: 'purchase', amount: 500, referenceId: 'pay_1' })

  t.match(posting, { kind: 'posted', entry: { amount: 500, balanceAfter: 510, seq: 2 } })
  t.match(await balanceOf(database, userId), {
    balance: 510,
    lifetimePurchased: 500,
    lifetimeEarned: 10,
  })
})

t.test('the same payment posted ten times at once counts once', async t => {
  const userId = await createAccount(database, 0)
  const entry: NewEntry = { userId, type: 'purchase', amount: 70, referenceId: 'pay_2' }

  const postings = await Promise.all(Array.from({ length: 10 }, () => post(entry)))

  t.equal(postings.filter(posting => posting.kind === 'posted').length, 1)
  t.equal(new Set(postings.map(posting => posting.entry.id)).size, 1)
  t.equal((await balanceOf(database, userId)).balance, 70)
})

t.test('a reference used for another amount or user is refused and writes nothing', async t => {
  const userId = await createAccount(database, 0)
  const otherId = await createAccount(database, 0)
  const entry: NewEntry = { userId, type: 'refund', amount: 5, referenceId: 'refund_1' }
  await post(entry)

  await t.rejects(post({ ...entry, amount: 6 }), { code: 'IDEMPOTENCY_MISMATCH' })
  await t.rejects(post({ ...entry, userId: otherId }), { code: 'IDEMPOTENCY_MISMATCH' })

  t.equal((await balanceOf(database, userId)).balance, 5)
  t.equal((await balanceOf(database, otherId)).balance, 0)
})

t.test('an adjustment below zero is refused and writes nothing', async t => {
  const userId = await createAccount(database, 30)
  const actorId = await createUser(database)
  const adjust = (amount: number) =>
    post({ userId, type: 'admin_adjust', amount, referenceId: newId(), actorId })

  await t.rejects(adjust(-31), { code: 'INSUFFICIENT_CREDITS' })
  await adjust(-30)

  t.match(await balanceOf(database, userId), { balance: 0, lifetimeEarned: 30 })
})

t.test('amounts that are no amounts are refused', async t => {
  const userId = await createAccount(database, 0)
  const entry = { userId, type: 'bonus', referenceId: newId() } as const

  for (const amount of [0, -1, 1.5, 2 ** 60]) {
    await t.rejects(post({ ...entry, amount }), { name: 'AssertionError' })
  }
})

t.test('a posting to no account is NOT_FOUND', async t => {
  const entry = { userId: newId(), type: 'bonus', amount: 1, referenceId: newId() } as const

  await t.rejects(post(entry), { code: 'NOT_FOUND' })
})

t.test('the history is paged newest first, without holes or repeats', async t => {
  const userId = await createAccount(database, 100)
  for (let i = 0; i < 4; i++) await reserveCredits(database, userId, 1)

  const first = await listEntries(database, userId, { limit: 2, beforeId: undefined })
  const second = await listEntries(database, userId, { limit: 2, beforeId: first.nextCursor ?? '' })
  const third = await listEntries(database, userId, { limit: 2, beforeId: second.nextCursor ?? '' })

  const seqs = [first, second, third].flatMap(page => page.items.map(entry => entry.seq))
  t.strictSame(seqs, [5, 4, 3, 2, 1])
  t.equal(third.nextCursor, null)
})

t.test('what was spent or given back says what it was reserved for', async t => {
  const userId = await createAccount(database, 100)
  const hold = { userId, amount: 10, deadlineAt: new Date(Date.now() + 60_000) }
  const descriptions = { confirmed: 'Sketch: a cat', released: 'Sketch: a dog' }
  await inTransaction(database, async tx => {
    const description = descriptions.confirmed
    const { reservationId } = await reserve(tx, { ...hold, referenceId: newId(), description })
    await confirm(tx, reservationId, 10)
  })
  await inTransaction(database, async tx => {
    const description = descriptions.released
    const { reservationId } = await reserve(tx, { ...hold, referenceId: newId(), description })
    await release(tx, reservationId)
  })

  const { items } = await listEntries(database, userId, { limit: 4, beforeId: undefined })

  t.match(items, [
    { type: 'release', description: descriptions.released },
    { type: 'reservation', description: descriptions.released },
    { type: 'spend', description: descriptions.confirmed },
    { type: 'reservation', description: descriptions.confirmed },
  ])
})

t.test('a cursor of another history is refused', async t => {
  const userId = await createAccount(database, 1)
  const otherId = await createAccount(database, 1)
  const { items } = await listEntries(database, otherId, { limit: 1, beforeId: undefined })

  for (const beforeId of [items[0]?.id, newId(), 'x']) {
    const page = { limit: 1, beforeId }
    await t.rejects(listEntries(database, userId, page), { code: 'INVALID_CURSOR' })
  }
})

t.test('entries cannot be changed, removed or truncated', async t => {
  await createAccount(database, 5)

  for (const statement of [
    'UPDATE credit_transactions SET description = NULL',
    'DELETE FROM credit_transactions',
    'TRUNCATE credit_transactions CASCADE',
  ]) {
    await t.rejects(database.pool.query(statement), { code: '42501' }, statement)
  }
})

t.test('the books are right afterwards', async t => {
  t.strictSame(await findViolations(database), [])
})
