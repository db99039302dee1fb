import t from 'tap'
import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { createTestDatabase } from '@funmagic/database/testing'
import { inTransaction } from '@funmagic/database/transaction'
import { balanceOf } from '../src/accounts.ts'
import {
  approveAdjustment,
  listAdjustments,
  recordReading,
  rejectAdjustment,
  requestAdjustment,
} from '../src/adjustments.ts'
import { findViolations } from '../src/proof.ts'
import { createAccount } from './account-fixture.ts'

const { database } = await createTestDatabase(t)
const [asking, deciding] = [newId(), newId()]

async function asked(change: { amount?: number; expiresAt?: Date; referenceId?: string } = {}) {
  const userId = await createAccount(database, 10)
  const wish = { userId, amount: 50_000, reason: 'Contest', referenceId: newId(), ...change }
  const request = () =>
    inTransaction(database, tx => requestAdjustment(tx, { ...wish, requestedBy: asking }))
  return { userId, wish, request, adjustmentId: (await request()).id }
}

const approve = (adjustmentId: string, actorId: string) =>
  inTransaction(database, tx => approveAdjustment(tx, { adjustmentId, actorId }))
const reject = (adjustmentId: string, actorId: string) =>
  inTransaction(database, tx => rejectAdjustment(tx, { adjustmentId, actorId }))

t.test('nothing is posted before a second person agrees, and once however often', async t => {
  const { userId, adjustmentId } = await asked()
  t.match(await balanceOf(database, userId), { balance: 10 })

  await t.rejects(approve(adjustmentId, asking), { code: 'SECOND_PERSON_REQUIRED' })
  const outcomes = await Promise.all([1, 2, 3].map(() => approve(adjustmentId, deciding)))

  t.equal(outcomes.filter(({ entry }) => entry !== undefined).length, 1)
  t.match(await balanceOf(database, userId), { balance: 50_010 })
  await t.rejects(approve(adjustmentId, newId()), { code: 'CONFLICT' })
  await t.rejects(reject(adjustmentId, deciding), { code: 'CONFLICT' })
})

t.test('the database itself refuses one person in both roles', async t => {
  const { adjustmentId } = await asked()

  const update = database.query(sql`UPDATE credit_adjustments
    SET state = 'approved', decided_by = requested_by, decided_at = now()
    WHERE id = ${adjustmentId}`)

  await t.rejects(update, { message: /credit_adjustments_two_people/ })
})

t.test('what was rejected or taken back is never posted', async t => {
  const { userId, adjustmentId } = await asked()

  t.match(await reject(adjustmentId, asking), { state: 'rejected' })
  t.match(await reject(adjustmentId, deciding), { state: 'rejected', decidedBy: asking })

  await t.rejects(approve(adjustmentId, deciding), { code: 'CONFLICT' })
  t.match(await balanceOf(database, userId), { balance: 10 })
})

t.test('what the balance does not allow stays pending', async t => {
  const { adjustmentId } = await asked({ amount: -50_000 })

  await t.rejects(approve(adjustmentId, deciding), { code: 'INSUFFICIENT_CREDITS' })

  const { items } = await listAdjustments(database, {
    limit: 1,
    beforeId: undefined,
    state: 'pending',
  })
  t.match(items, [{ id: adjustmentId, state: 'pending' }])
})

t.test('an approved grant expires', async t => {
  const { userId, adjustmentId } = await asked({ expiresAt: new Date(Date.now() + 60_000) })

  t.match(await approve(adjustmentId, deciding), { entry: { type: 'bonus', amount: 50_000 } })
  t.match(await balanceOf(database, userId), { balance: 50_010 })
})

t.test('one reference asks once, and for the same', async t => {
  const { request, wish, adjustmentId } = await asked()

  t.equal((await request()).id, adjustmentId)
  const other = { ...wish, amount: 1, requestedBy: asking }
  await t.rejects(
    inTransaction(database, tx => requestAdjustment(tx, other)),
    { code: 'IDEMPOTENCY_MISMATCH' },
  )
  const nobody = { ...other, userId: newId(), referenceId: newId() }
  await t.rejects(
    inTransaction(database, tx => requestAdjustment(tx, nobody)),
    { code: 'NOT_FOUND' },
  )
})

t.test('who looked at whose credits cannot be erased', async t => {
  const userId = await createAccount(database, 10)
  await recordReading(database, {
    actorId: asking,
    userId,
    subject: 'account',
    requestId: 'request-1',
  })

  await t.rejects(database.query(sql`DELETE FROM credit_readings`), { code: '42501' })
})

t.test('the books are right afterwards', async t => {
  t.same(await findViolations(database), [])
})
