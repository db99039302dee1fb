import t from 'tap'
import type { ReservationId } from '@funmagic/contract/ids'
import { createTestDatabase } from '@funmagic/database/testing'
import { inTransaction } from '@funmagic/database/transaction'
import { balanceOf } from '../src/accounts.ts'
import { findViolations } from '../src/proof.ts'
import { AlreadySettled, confirm, release } from '../src/reservations.ts'
import { createAccount, reserveCredits } from './account-fixture.ts'

const { database } = await createTestDatabase(t)

t.test('64 reservations at once take exactly what the balance allows (M11)', async t => {
  const userId = await createAccount(database, 155)

  const outcomes = await Promise.allSettled(
    Array.from({ length: 64 }, () => reserveCredits(database, userId, 5)),
  )

  const refusals = outcomes.filter(outcome => outcome.status === 'rejected')
  t.equal(outcomes.length - refusals.length, 31)
  t.ok(refusals.every(refusal => refusal.reason.code === 'INSUFFICIENT_CREDITS'))
  t.match(await balanceOf(database, userId), { balance: 0, reservedBalance: 155 })
})

t.test('settlements that lock each other out are both made, once each (P-5)', async t => {
  const [ada, bob] = [await createAccount(database, 100), await createAccount(database, 100)]
  const ofAda = [await reserveCredits(database, ada, 10), await reserveCredits(database, ada, 10)]
  const ofBob = [await reserveCredits(database, bob, 10), await reserveCredits(database, bob, 10)]
  const bothHoldOne = Promise.withResolvers<void>()
  let [holding, runs] = [0, 0]
  const settleBoth = (first: ReservationId | undefined, second: ReservationId | undefined) =>
    inTransaction(database, async tx => {
      runs += 1
      await confirm(tx, first ?? '', 10)
      holding += 1
      if (holding === 2) bothHoldOne.resolve()
      await bothHoldOne.promise
      await release(tx, second ?? '')
    })

  await Promise.all([settleBoth(ofAda[0], ofBob[0]), settleBoth(ofBob[1], ofAda[1])])

  t.equal(runs, 3, 'one of the two was run again')
  for (const userId of [ada, bob]) {
    t.match(await balanceOf(database, userId), { balance: 90, reservedBalance: 0 })
  }
  t.same(await findViolations(database), [])
})

t.test('of many settlements of one reservation at once, one wins', async t => {
  const userId = await createAccount(database, 100)
  const reservationId = await reserveCredits(database, userId, 40)

  const outcomes = await Promise.allSettled(
    Array.from({ length: 16 }, (_, i) =>
      inTransaction(database, tx =>
        i % 2 === 0 ? confirm(tx, reservationId, 40) : release(tx, reservationId),
      ),
    ),
  )

  const refusals = outcomes.filter(outcome => outcome.status === 'rejected')
  t.equal(refusals.length, 15)
  t.ok(refusals.every(refusal => refusal.reason instanceof AlreadySettled))
})

t.test('reserving and settling at once for one user keeps the chain whole', async t => {
  const userId = await createAccount(database, 1000)
  const open = await Promise.all(
    Array.from({ length: 24 }, () => reserveCredits(database, userId, 10)),
  )

  await Promise.all(
    open.flatMap((reservationId, i) => [
      inTransaction(database, tx =>
        i % 2 === 0 ? confirm(tx, reservationId, 7) : release(tx, reservationId),
      ),
      reserveCredits(database, userId, 3),
    ]),
  )

  t.match(await balanceOf(database, userId), {
    balance: 1000 - 12 * 7 - 24 * 3,
    reservedBalance: 24 * 3,
    lifetimeSpent: 12 * 7,
  })
})

t.test('the books are right afterwards', async t => {
  t.strictSame(await findViolations(database), [])
})
