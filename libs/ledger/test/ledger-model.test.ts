import fc from 'fast-check'
import t from 'tap'
import { newId, type ReservationId, type UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import { createTestDatabase } from '@funmagic/database/testing'
import { inTransaction } from '@funmagic/database/transaction'
import { balanceOf } from '../src/accounts.ts'
import { postEntry } from '../src/entries.ts'
import { findViolations } from '../src/proof.ts'
import { AlreadySettled, confirm, release } from '../src/reservations.ts'
import { createAccount, reserveCredits } from './account-fixture.ts'

const { database } = await createTestDatabase(t)

/** What the ledger should hold, in the simplest form. */
interface Model {
  readonly userId: UserId
  balance: number
  purchased: number
  spent: number
  readonly open: Map<ReservationId, number>
  readonly settled: ReservationId[]
}

type Step =
  | { readonly kind: 'purchase' | 'take' | 'reserve'; readonly credits: number }
  | { readonly kind: 'confirm' | 'release' | 'again'; readonly pick: number; readonly part: number }

const credits = fc.integer({ min: 1, max: 40 })
const pick = fc.nat({ max: 9 })
const part = fc.integer({ min: 0, max: 100 })
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constantFrom('purchase', 'take'), credits }),
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('reserve' as const), credits }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('confirm', 'release'), pick, part }) },
  fc.record({ kind: fc.constant('again' as const), pick, part }),
)

async function perform(model: Model, step: Step): Promise<void> {
  switch (step.kind) {
    case 'purchase':
      await post(model, step.credits)
      model.purchased += step.credits
      break
    case 'take':
      await refusedWhen(step.credits > model.balance, () => post(model, -step.credits))
      break
    case 'reserve':
      await refusedWhen(step.credits > model.balance, async () => {
        model.open.set(await reserveCredits(database, model.userId, step.credits), step.credits)
        model.balance -= step.credits
      })
      break
    case 'confirm':
    case 'release':
      await settle(model, step)
      break
    case 'again':
      await settleAgain(model, step.pick)
  }
}

async function post(model: Model, amount: number): Promise<void> {
  const type = amount > 0 ? 'purchase' : 'admin_adjust'
  const { userId } = model
  await inTransaction(database, tx => postEntry(tx, { userId, type, amount, referenceId: newId() }))
  model.balance += amount
}

async function settle(model: Model, step: Extract<Step, { pick: number }>): Promise<void> {
  const [id, reserved] = [...model.open][step.pick % Math.max(model.open.size, 1)] ?? []
  if (id === undefined || reserved === undefined) return
  const spent = step.kind === 'confirm' ? Math.floor((reserved * step.part) / 100) : 0
  await inTransaction(database, tx =>
    step.kind === 'confirm' ? confirm(tx, id, spent) : release(tx, id),
  )
  model.open.delete(id)
  model.settled.push(id)
  model.balance += reserved - spent
  model.spent += spent
}

async function settleAgain(model: Model, pick: number): Promise<void> {
  const id = model.settled[pick % Math.max(model.settled.length, 1)]
  if (id === undefined) return
  const error = await inTransaction(database, tx => release(tx, id)).catch(
    (error: unknown) => error,
  )
  if (!(error instanceof AlreadySettled)) throw new Error('a second settlement went through')
}

async function refusedWhen(isTooMuch: boolean, work: () => Promise<void>): Promise<void> {
  const error = await work().then(
    () => undefined,
    (error: unknown) => error,
  )
  const isRefused = error instanceof AppError && error.code === 'INSUFFICIENT_CREDITS'
  if (error !== undefined && !isRefused) throw error
  if (isRefused !== isTooMuch) throw new Error(`refused: ${isRefused}, too much: ${isTooMuch}`)
}

t.test('any sequence of operations leaves the books as the model says', async t => {
  const seed = Date.now()
  t.comment(`fast-check seed ${seed}`)

  const property = fc.asyncProperty(fc.array(step, { maxLength: 25 }), async steps => {
    const userId = await createAccount(database, 50)
    const model: Model = {
      userId,
      balance: 50,
      purchased: 0,
      spent: 0,
      open: new Map(),
      settled: [],
    }
    for (const step of steps) await perform(model, step)
    const reserved = [...model.open.values()].reduce((sum, credits) => sum + credits, 0)
    const held = await balanceOf(database, userId)
    const expected = [model.balance, reserved, model.purchased, model.spent]
    const found = [held.balance, held.reservedBalance, held.lifetimePurchased, held.lifetimeSpent]
    return expected.join() === found.join()
  })
  await t.resolves(fc.assert(property, { numRuns: 120, seed }))
})

t.test('the invariants hold over all that the model did', async t => {
  t.strictSame(await findViolations(database), [])
})
