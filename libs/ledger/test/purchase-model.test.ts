import fc from 'fast-check'
import t from 'tap'
import { newId, type ReservationId, type UserId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { createTestDatabase } from '@funmagic/database/testing'
import { inTransaction } from '@funmagic/database/transaction'
import { findAccount } from '../src/accounts.ts'
import { postEntry } from '../src/entries.ts'
import { expireGrants, grantCredits } from '../src/grants.ts'
import { savePackage } from '../src/packages.ts'
import { keepEvent, processEvent, type PaymentFact } from '../src/payment-events.ts'
import { startPayment } from '../src/payments.ts'
import { findViolations } from '../src/proof.ts'
import { confirm, release } from '../src/reservations.ts'
import { createAccount, reserveCredits } from './account-fixture.ts'

const { database } = await createTestDatabase(t)
const pack = await savePackage(database, {
  name: 'Ten',
  credits: 10,
  priceCents: 100,
  currency: 'usd',
  stripePriceId: null,
  sortOrder: 1,
  isActive: true,
})

type Step =
  | { readonly kind: 'reserve' | 'grant' | 'bonus' | 'take'; readonly credits: number }
  | {
      readonly kind: 'confirm' | 'release' | 'refund'
      readonly pick: number
      readonly part: number
    }
  | { readonly kind: 'buy' | 'expire' }
  | { readonly kind: 'dispute'; readonly pick: number; readonly state: 'open' | 'won' | 'lost' }

const credits = fc.integer({ min: 1, max: 15 })
const pick = fc.nat({ max: 5 })
const part = fc.integer({ min: 0, max: 100 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('reserve' as const), credits }) },
  fc.record({ kind: fc.constantFrom('grant', 'bonus', 'take'), credits }),
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('confirm', 'release'), pick, part }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('buy', 'expire') }) },
  fc.record({ kind: fc.constant('refund' as const), pick, part }),
  fc.record({
    kind: fc.constant('dispute' as const),
    pick,
    state: fc.constantFrom('open', 'won', 'lost'),
  }),
)

/** What one user has: all that it takes to say what the next step must do to the totals. */
interface Model {
  readonly userId: UserId
  /** Credits that came in and went out, whatever they were made of. */
  owned: number
  readonly open: Map<ReservationId, number>
  readonly payments: { id: string; cents: number; dispute: 'open' | 'won' | 'lost' | undefined }[]
}

const reversed = (payment: Model['payments'][number]) => {
  const disputed = payment.dispute === 'open' || payment.dispute === 'lost' ? 100 : 0
  return Math.floor((10 * Math.min(100, payment.cents + disputed)) / 100)
}

/** Owned less owed: a refund takes it down at once, spent or not. */
const worth = (model: Model) =>
  model.owned - model.payments.reduce((sum, payment) => sum + reversed(payment), 0)

async function perform(model: Model, step: Step): Promise<void> {
  switch (step.kind) {
    case 'reserve':
      return reserveSome(model, step.credits)
    case 'confirm':
    case 'release':
      return settle(model, step)
    case 'buy':
      return buy(model)
    case 'refund':
    case 'dispute':
      return goBack(model, step)
    case 'expire':
      return expire(model)
    default:
      return post(model, step)
  }
}

async function reserveSome(model: Model, amount: number): Promise<void> {
  const reserved = [...model.open.values()].reduce((sum, held) => sum + held, 0)
  const isAllowed = worth(model) - reserved >= amount
  const id = await reserveCredits(database, model.userId, amount).catch(() => undefined)
  if ((id !== undefined) !== isAllowed) throw new Error(`reserved: ${id}, allowed: ${isAllowed}`)
  if (id !== undefined) model.open.set(id, amount)
}

async function settle(model: Model, step: Extract<Step, { part: number }>): Promise<void> {
  const [id, held = 0] = [...model.open][step.pick % Math.max(model.open.size, 1)] ?? []
  if (id === undefined) return
  const spent = step.kind === 'confirm' ? Math.floor((held * step.part) / 100) : 0
  await inTransaction(database, tx =>
    step.kind === 'confirm' ? confirm(tx, id, spent) : release(tx, id),
  )
  model.open.delete(id)
  model.owned -= spent
}

async function tell(fact: PaymentFact): Promise<void> {
  const { id } = await keepEvent(database, { eventId: newId(), type: fact.kind, fact })
  // Told three times at once, as Stripe may.
  await Promise.all([1, 2, 3].map(() => processEvent(database, id)))
}

async function buy(model: Model): Promise<void> {
  const { id } = await startPayment(database, { userId: model.userId, creditPackage: pack })
  const ids = { paymentId: id, sessionId: `cs_${id}`, paymentIntentId: `pi_${id}` }
  await tell({ kind: 'paid', ...ids, amountCents: 100, currency: 'usd' })
  model.payments.push({ id, cents: 0, dispute: undefined })
  model.owned += 10
}

async function goBack(
  model: Model,
  step: Extract<Step, { kind: 'dispute' }> | Extract<Step, { part: number }>,
): Promise<void> {
  const payment = model.payments[step.pick % Math.max(model.payments.length, 1)]
  if (payment === undefined) return
  const paymentIntentId = `pi_${payment.id}`
  if (step.kind === 'dispute') {
    const { state } = step
    await tell({
      kind: 'disputed',
      paymentIntentId,
      disputeId: paymentIntentId,
      state,
      amountCents: 100,
    })
    if (payment.dispute === undefined || payment.dispute === 'open') payment.dispute = state
    return
  }
  await tell({ kind: 'refunded', paymentIntentId, refundedCents: step.part })
  payment.cents = Math.max(payment.cents, step.part)
}

async function post(model: Model, step: Extract<Step, { credits: number }>): Promise<void> {
  const { userId } = model
  const amount = step.kind === 'take' ? -step.credits : step.credits
  const type = step.kind === 'take' ? 'admin_adjust' : 'bonus'
  const change = { userId, amount, referenceId: newId() }
  const expiresAt = new Date(Date.now() + 3_600_000)
  const isDone = await inTransaction<unknown>(database, tx =>
    step.kind === 'grant'
      ? grantCredits(tx, { ...change, kind: 'promotion', expiresAt })
      : postEntry(tx, { ...change, type }),
  ).then(
    () => true,
    () => false,
  )
  const reserved = [...model.open.values()].reduce((sum, held) => sum + held, 0)
  const isAllowed = amount > 0 || worth(model) - reserved >= -amount
  if (isDone !== isAllowed) throw new Error(`${step.kind}: ${isDone}, allowed: ${isAllowed}`)
  if (isDone) model.owned += amount
}

/** What is left of all grants goes; which is what the database says is left, at that moment. */
async function expire(model: Model): Promise<void> {
  const left = (await findAccount(database, model.userId))?.grantedBalance ?? 0
  await database.query(sql`UPDATE credit_grants SET expires_at = now() - interval '8 days',
    usable_until = now() - interval '8 days' WHERE user_id = ${model.userId}`)
  await Promise.all([expireGrants(database, { limit: 50 }), expireGrants(database, { limit: 50 })])
  model.owned -= left
}

async function agrees(model: Model): Promise<boolean> {
  const account = await findAccount(database, model.userId)
  const reserved = [...model.open.values()].reduce((sum, held) => sum + held, 0)
  const available = worth(model) - reserved
  const purchased = model.payments.reduce((sum, payment) => sum + 10 - reversed(payment), 0)
  const found = [account?.balance, account?.debt, account?.reservedBalance]
  const expected = [Math.max(0, available), Math.max(0, -available), reserved]
  if ((account?.grantedBalance ?? 0) > Math.max(0, available)) throw new Error('granted too much')
  if ([...found, account?.lifetimePurchased].join() === [...expected, purchased].join()) return true
  throw new Error(`found ${found.join()}, expected ${expected.join()}`)
}

t.test('any sequence of purchases, refunds, disputes, grants and tasks adds up', async t => {
  const seed = Date.now()
  t.comment(`fast-check seed ${seed}`)

  const property = fc.asyncProperty(
    fc.array(step, { minLength: 5, maxLength: 25, size: 'max' }),
    async steps => {
      const userId = await createAccount(database, 5)
      const model: Model = { userId, owned: 5, open: new Map(), payments: [] }
      for (const step of steps) await perform(model, step)
      return agrees(model)
    },
  )
  await t.resolves(fc.assert(property, { numRuns: 100, seed }))
})

t.test('a hot user: everything at once loses nothing and deadlocks nobody', async t => {
  const userId = await createAccount(database, 200)
  const model: Model = { userId, owned: 200, open: new Map(), payments: [] }
  for (let count = 0; count < 4; count++) await buy(model)

  const outcomes = await Promise.allSettled([
    ...Array.from({ length: 20 }, () => reserveSome(model, 3)),
    ...Array.from({ length: 4 }, () => post(model, { kind: 'grant', credits: 5 })),
    ...model.payments.map((_, at) => goBack(model, { kind: 'refund', pick: at, part: 50 })),
    ...Array.from({ length: 4 }, () => buy(model)),
  ])
  const settled = await Promise.allSettled(
    [...model.open].map((_, at) => settle(model, { kind: 'confirm', pick: at, part: 50 })),
  )

  t.same(
    outcomes.filter(({ status }) => status === 'rejected'),
    [],
  )
  t.ok(settled.length > 0)
})

t.test('the books are right afterwards', async t => {
  t.same(await findViolations(database), [])
})
