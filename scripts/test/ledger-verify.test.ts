import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { newId } from '@funmagic/contract/ids'
import type { Database } from '@funmagic/database/client'
import { createTestDatabase } from '@funmagic/database/testing'
import { inTransaction } from '@funmagic/database/transaction'
import { openAccount } from '@funmagic/ledger/accounts'
import { approveAdjustment, requestAdjustment } from '@funmagic/ledger/adjustments'
import { grantCredits } from '@funmagic/ledger/grants'
import { findPackage, savePackage } from '@funmagic/ledger/packages'
import { keepEvent, processEvent, type PaymentFact } from '@funmagic/ledger/payment-events'
import { startPayment } from '@funmagic/ledger/payments'
import { streamViolations } from '@funmagic/ledger/proof'
import { confirm, release, reserve } from '@funmagic/ledger/reservations'
import { createTestUser } from '@funmagic/session/testing'
import { taskSettlements } from '@funmagic/task/settlement'

const root = join(import.meta.dirname, '../..')
const inAnHour = new Date(Date.now() + 3_600_000)

/** The command as `npm run ledger:verify` runs it, on the database at the url. */
async function verify(url: string): Promise<{ code: unknown; output: string }> {
  const child = spawn(process.execPath, [join(root, 'scripts/ledger-verify.ts')], {
    env: { ...process.env, DATABASE_URL: url },
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
  const [code]: unknown[] = await once(child, 'close')
  return { code, output }
}

/** The invariants that the command would find broken. */
async function findBroken(database: Database): Promise<string[]> {
  return inTransaction(database, async tx => {
    const found = new Set<string>()
    for await (const { invariant } of streamViolations(tx, taskSettlements)) found.add(invariant)
    return [...found].toSorted()
  })
}

/** Books with something of everything that can be wrong. */
async function setup(t: Test) {
  const { database, url } = await createTestDatabase(t)
  const userId = (await createTestUser(database)).user.id
  const one = (work: Parameters<typeof inTransaction>[1]) => inTransaction(database, work)
  await one(tx => openAccount(tx, { userId, bonusCredits: 100 }))
  const gift = { userId, kind: 'promotion', amount: 30, expiresAt: inAnHour } as const
  await one(tx => grantCredits(tx, { ...gift, referenceId: newId() }))
  await buyAndRefund(database, userId)
  const hold = { userId, amount: 20, deadlineAt: inAnHour }
  const spent = await inTransaction(database, tx => reserve(tx, { ...hold, referenceId: newId() }))
  await one(tx => confirm(tx, spent.reservationId, 15))
  const back = await inTransaction(database, tx => reserve(tx, { ...hold, referenceId: newId() }))
  await one(tx => release(tx, back.reservationId))
  const wish = { userId, amount: 7, reason: 'Prize', requestedBy: newId(), referenceId: newId() }
  const { id } = await inTransaction(database, tx => requestAdjustment(tx, wish))
  await one(tx => approveAdjustment(tx, { adjustmentId: id, actorId: newId() }))
  return { database, url }
}

async function buyAndRefund(database: Database, userId: string): Promise<void> {
  const saved = await savePackage(database, {
    name: 'Starter',
    credits: 100,
    priceCents: 500,
    currency: 'usd',
    stripePriceId: null,
    sortOrder: 1,
    isActive: true,
  })
  const creditPackage = (await findPackage(database, saved.id)) ?? saved
  const { id: paymentId } = await startPayment(database, { userId, creditPackage })
  const intent = { paymentIntentId: `pi_${paymentId}` }
  const facts: PaymentFact[] = [
    { kind: 'paid', paymentId, sessionId: 'cs', ...intent, amountCents: 500, currency: 'usd' },
    { kind: 'refunded', ...intent, refundedCents: 250 },
  ]
  for (const fact of facts) {
    const { id } = await keepEvent(database, { eventId: newId(), type: fact.kind, fact })
    await processEvent(database, id)
  }
}

/** Writes past every constraint, trigger and foreign key. */
async function tamper(database: Database, statements: string): Promise<void> {
  const client = await database.pool.connect()
  try {
    await client.query(`SET session_replication_role = replica; ${statements}`)
  } finally {
    client.release(true)
  }
}

t.test('right books have no findings, and the command says what it looked at', async t => {
  const { url } = await setup(t)

  const { code, output } = await verify(url)

  t.equal(code, 0, output)
  t.match(output, /^0 findings: \d+ claims about 1 accounts, \d+ entries, 2 reservations and 1 pay/)
})

/** One that set one credit aside, whatever it says. */
function openReservation(amount: string, deadline: string): string {
  return `INSERT INTO credit_reservations (id, user_id, reference_id, amount, deadline_at)
      SELECT gen_random_uuid(), user_id, 'x', ${amount}, ${deadline} FROM credits;
    UPDATE credits SET balance = balance - 1, reserved_balance = 1, entry_seq = entry_seq + 1;
    INSERT INTO credit_transactions (id, user_id, seq, type, amount, available_delta,
      reserved_delta, balance_after, reserved_after, reference_id, reservation_id)
    SELECT gen_random_uuid(), user_id, entry_seq, 'reservation', -1, -1, 1, balance, 1, 'x',
      (SELECT id FROM credit_reservations WHERE reference_id = 'x') FROM credits`
}

const plants: readonly [string, readonly string[], string][] = [
  ['a balance that no entry explains', ['M1', 'M12'], 'UPDATE credits SET balance = balance + 1'],
  [
    'an entry that no balance knows',
    ['M1', 'M12'],
    `INSERT INTO credit_transactions SELECT gen_random_uuid(), user_id, seq + 1, 'admin_adjust', -1,
       -1, 0, balance_after - 1, reserved_after, 'x'
     FROM credit_transactions ORDER BY seq DESC LIMIT 1`,
  ],
  [
    'a wall that was taken down',
    ['M2'],
    'ALTER TABLE credits DROP CONSTRAINT credits_not_negative',
  ],
  [
    'a link that does not continue the chain',
    ['M3'],
    'UPDATE credit_transactions SET balance_after = balance_after + 1 WHERE seq = 2',
  ],
  [
    'history that can be changed',
    ['M4'],
    'ALTER TABLE credit_transactions DISABLE TRIGGER credit_transactions_append_only',
  ],
  ['a second settlement made possible', ['M5'], 'DROP INDEX credit_transactions_one_settlement'],
  [
    'a reservation that says it spent another amount',
    ['M7'],
    `UPDATE credit_reservations SET spent_amount = 14, granted_amount = granted_amount - 1
       WHERE state = 'confirmed';
     UPDATE credit_grant_uses SET amount = amount - 1
       WHERE reservation_id = (SELECT id FROM credit_reservations WHERE state = 'confirmed');
     UPDATE credit_grants SET remaining = remaining + 1;
     UPDATE credits SET granted_balance = granted_balance + 1`,
  ],
  [
    'an event that was applied and says nothing of it',
    ['M13'],
    "UPDATE payment_events SET processed_at = NULL WHERE type = 'paid'",
  ],
  [
    'a lifetime figure that drives a tier',
    ['M16'],
    'UPDATE credits SET lifetime_purchased = 1000000',
  ],
  ['a grant with more left than it had', ['G1'], 'UPDATE credit_grants SET amount = amount - 1'],
  ['a granted part that no grant has', ['G2'], 'UPDATE credits SET granted_balance = 0'],
  [
    'a reservation that drew on more than it notes',
    ['G3'],
    "UPDATE credit_reservations SET granted_amount = 0 WHERE state = 'released'",
  ],
  [
    'expired credits that are still there',
    ['G4'],
    `UPDATE credit_grants SET expires_at = now() - interval '2 hours',
       usable_until = now() - interval '2 hours'`,
  ],
  [
    'a paid payment without its credits',
    ['P1'],
    `UPDATE credit_transactions SET reference_id = 'lost' WHERE type = 'purchase'`,
  ],
  ['a refund that took nothing', ['P2'], 'UPDATE payments SET refunded_cents = 500'],
  [
    'a recovery without an entry',
    ['P3'],
    `UPDATE credit_transactions SET reference_id = 'lost' WHERE reference_id LIKE 'reversal:%'`,
  ],
  ['a debt that nobody owes', ['P4'], 'UPDATE credits SET debt = 1'],
  [
    'an adjustment by one person alone',
    ['P5'],
    `ALTER TABLE credit_adjustments DROP CONSTRAINT credit_adjustments_two_people;
     UPDATE credit_adjustments SET decided_by = requested_by`,
  ],
  [
    'a reservation of more than was set aside, of a task that is not there',
    ['M6', 'M8'],
    openReservation('2', "now() + interval '1 hour'"),
  ],
  [
    'a reservation that nobody ended, of a task that is not there',
    ['M6', 'M9'],
    openReservation('1', "now() - interval '1 hour'"),
  ],
  [
    'an amount beyond every bound',
    ['M15'],
    `ALTER TABLE credit_transactions DROP CONSTRAINT credit_transactions_deltas;
     UPDATE credit_transactions SET amount = 2000000000 WHERE type = 'reservation'`,
  ],
]

for (const [what, invariants, statements] of plants) {
  t.test(`${invariants.join(' and ')} alone find ${what}`, async t => {
    const { database } = await setup(t)
    t.same(await findBroken(database), [])

    await tamper(database, statements)

    t.same(await findBroken(database), invariants.toSorted())
  })
}

t.test('every broken row is a line, more than fit into one batch, and the exit code 1', async t => {
  const { database, url } = await setup(t)
  await tamper(
    database,
    `INSERT INTO credits (id, user_id, balance)
     SELECT gen_random_uuid(), gen_random_uuid(), 1 FROM generate_series(1, 1200)`,
  )

  const { code, output } = await verify(url)

  t.equal(code, 1)
  t.equal(output.match(/^M1 A balance is the sum of its entries.* \{"user_id"/gm)?.length, 1200)
  t.match(output, /^1201 findings: /m)
})
