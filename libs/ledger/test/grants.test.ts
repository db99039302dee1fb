import t from 'tap'
import { newId, type UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import { sql } from '@funmagic/database/sql'
import { createTestDatabase } from '@funmagic/database/testing'
import { inTransaction } from '@funmagic/database/transaction'
import { balanceOf } from '../src/accounts.ts'
import { listEntries, postEntry } from '../src/entries.ts'
import { expireGrants, grantCredits, listGrants, type NewGrant } from '../src/grants.ts'
import { findViolations } from '../src/proof.ts'
import { confirm, release } from '../src/reservations.ts'
import { createAccount, reserveCredits } from './account-fixture.ts'

const { database } = await createTestDatabase(t)
const hourMs = 3_600_000

function grant(userId: UserId, amount: number, change: Partial<NewGrant> = {}) {
  return inTransaction(database, tx =>
    grantCredits(tx, {
      userId,
      kind: 'promotion',
      referenceId: newId(),
      amount,
      expiresAt: new Date(Date.now() + hourMs),
      ...change,
    }),
  )
}

const inHours = (hours: number) => new Date(Date.now() + hours * hourMs)

async function remainingOf(userId: UserId): Promise<number[]> {
  const { items } = await listGrants(database, userId, { limit: 100, beforeId: undefined })
  return items.map(({ remaining }) => remaining).toReversed()
}

/** Lets the user's grants have ended this long ago. */
function endGrants(userId: UserId, hoursAgo: number) {
  return database.query(sql`
    UPDATE credit_grants SET expires_at = now() - ${hoursAgo} * interval '1 hour',
      usable_until = now() - ${hoursAgo} * interval '1 hour' WHERE user_id = ${userId}
  `)
}

t.test('what expires soonest is spent first, and what never expires last', async t => {
  const userId = await createAccount(database, 10)
  await grant(userId, 10, { expiresAt: inHours(48) })
  await grant(userId, 10, { expiresAt: inHours(2) })

  await reserveCredits(database, userId, 15)
  t.same(await remainingOf(userId), [5, 0])
  await reserveCredits(database, userId, 12)
  t.same(await remainingOf(userId), [0, 0])
  t.match(await balanceOf(database, userId), { balance: 3, reservedBalance: 27 })
})

t.test('a lower priority number goes before an earlier end', async t => {
  const userId = await createAccount(database, 0)
  await grant(userId, 10, { expiresAt: inHours(2) })
  await grant(userId, 10, { expiresAt: inHours(48), priority: 1 })

  await reserveCredits(database, userId, 10)

  t.same(await remainingOf(userId), [10, 0])
})

t.test('a release gives back to each grant what came from it', async t => {
  const userId = await createAccount(database, 10)
  await grant(userId, 10)
  await grant(userId, 10, { expiresAt: inHours(48) })
  const reservationId = await reserveCredits(database, userId, 25)

  await inTransaction(database, tx => release(tx, reservationId))

  t.same(await remainingOf(userId), [10, 10])
  t.match(await balanceOf(database, userId), { balance: 30, reservedBalance: 0 })
})

t.test('a part that is confirmed is what expires soonest; the rest goes back', async t => {
  const userId = await createAccount(database, 10)
  await grant(userId, 10)
  await grant(userId, 10, { expiresAt: inHours(48) })
  const reservationId = await reserveCredits(database, userId, 25)

  await inTransaction(database, tx => confirm(tx, reservationId, 13))

  t.same(await remainingOf(userId), [0, 7])
  t.match(await balanceOf(database, userId), { balance: 17, lifetimeSpent: 13 })
})

t.test('what expires leaves the balance with an entry of its own, once', async t => {
  const userId = await createAccount(database, 10)
  await grant(userId, 10, { description: 'Welcome back' })
  await reserveCredits(database, userId, 4)
  await endGrants(userId, 1)

  const [first, second] = await Promise.all([
    expireGrants(database, { limit: 10 }),
    expireGrants(database, { limit: 10 }),
  ])

  t.equal(first.length + second.length, 1)
  t.same(await expireGrants(database, { limit: 10 }), [])
  t.match(await balanceOf(database, userId), { balance: 10, lifetimeEarned: 20 })
  const { items } = await listEntries(database, userId, { limit: 1, beforeId: undefined })
  t.match(items, [{ type: 'admin_adjust', amount: -6, actorId: null, balanceAfter: 10 }])
})

t.test('credits that come back to a grant that has ended can be used for a day', async t => {
  const userId = await createAccount(database, 0)
  await grant(userId, 10)
  const reservationId = await reserveCredits(database, userId, 10)
  await endGrants(userId, 1)

  await inTransaction(database, tx => release(tx, reservationId))

  t.same(await expireGrants(database, { limit: 10 }), [])
  t.match(await balanceOf(database, userId), { balance: 10 })
  await reserveCredits(database, userId, 10)
})

t.test('no grant outlives its end by more than a week', async t => {
  const userId = await createAccount(database, 0)
  await grant(userId, 10)
  const reservationId = await reserveCredits(database, userId, 10)
  await endGrants(userId, 24 * 8)

  await inTransaction(database, tx => release(tx, reservationId))

  t.equal((await expireGrants(database, { limit: 10 })).length, 1)
  t.match(await balanceOf(database, userId), { balance: 0 })
})

t.test('one reference is granted once, and not to another or with another end', async t => {
  const userId = await createAccount(database, 0)
  const other = await createAccount(database, 0)
  const first = { referenceId: newId(), expiresAt: inHours(2) }

  const kinds = await Promise.all(
    Array.from({ length: 10 }, async () => (await grant(userId, 10, first)).kind),
  )

  t.equal(kinds.filter(kind => kind === 'granted').length, 1)
  t.match(await balanceOf(database, userId), { balance: 10 })
  const refused = { code: 'IDEMPOTENCY_MISMATCH' }
  await t.rejects(grant(userId, 11, first), refused)
  await t.rejects(grant(other, 10, first), refused)
  await t.rejects(grant(userId, 10, { ...first, expiresAt: inHours(3) }), refused)
})

t.test('an adjustment takes what never expires first, and then the grants', async t => {
  const userId = await createAccount(database, 10)
  await grant(userId, 10)
  const take = (amount: number) =>
    inTransaction(database, tx =>
      postEntry(tx, { userId, type: 'admin_adjust', amount: -amount, referenceId: newId() }),
    )

  await take(8)
  t.same(await remainingOf(userId), [10])
  await take(5)
  t.same(await remainingOf(userId), [7])
  await t.rejects(take(8), new AppError('INSUFFICIENT_CREDITS'))
})

t.test('a cursor is the id of an own grant', async t => {
  const userId = await createAccount(database, 0)
  for (let count = 0; count < 3; count++) await grant(userId, 10)

  const first = await listGrants(database, userId, { limit: 2, beforeId: undefined })
  const beforeId = first.nextCursor ?? ''
  const second = await listGrants(database, userId, { limit: 2, beforeId })

  t.match([first.items.length, second.items.length, second.nextCursor], [2, 1, null])
  const stranger = await createAccount(database, 0)
  await t.rejects(listGrants(database, stranger, { limit: 2, beforeId }), {
    code: 'INVALID_CURSOR',
  })
})

t.test('the books are right afterwards', async t => {
  t.same(await findViolations(database), [])
})
