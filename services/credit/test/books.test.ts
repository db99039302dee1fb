import t from 'tap'
import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import { keepEvent, processEvent } from '@funmagic/ledger/payment-events'
import { reserve } from '@funmagic/ledger/reservations'
import { proveBooks } from '../src/jobs/prove-books.ts'
import { sweepCredits } from '../src/jobs/sweep-credits.ts'
import { openShop } from './shop.ts'

t.setTimeout(120_000)

const { database, events, metrics, announcer, addUser, addBuyer } = await openShop(t)
const parts = { database, events, announcer, payments: undefined }

async function read(name: string) {
  const line = new RegExp(`^${name}\\{[^}]*\\} (\\S+)$`, 'm').exec(await metrics.registry.metrics())
  return Number(line?.[1])
}

t.test('the daily proof tells how many rows break a rule, and 0 for sound books', async t => {
  const { user } = await addUser({ credits: 50 })

  await proveBooks({ database, events })
  t.equal(await read('ledger_findings'), 0)
  t.ok((await read('ledger_proof_timestamp_seconds')) > 0)

  await database.query(sql`UPDATE credits SET balance = balance + 1 WHERE user_id = ${user.id}`)
  await proveBooks({ database, events })
  t.ok((await read('ledger_findings')) > 0)
  await database.query(sql`UPDATE credits SET balance = balance - 1 WHERE user_id = ${user.id}`)
})

t.test('a reservation past its deadline is seen, and no longer once it is settled', async t => {
  const { user } = await addUser({ credits: 50 })
  const hold = { userId: user.id, referenceId: newId(), amount: 5 }

  await inTransaction(database, tx =>
    reserve(tx, { ...hold, deadlineAt: new Date(Date.now() + 600_000) }),
  )
  await sweepCredits(parts)
  t.equal(await read('reservation_overdue_seconds'), 0)

  await inTransaction(database, tx =>
    reserve(tx, { ...hold, referenceId: newId(), deadlineAt: new Date(Date.now() - 600_000) }),
  )
  await sweepCredits(parts)
  t.ok((await read('reservation_overdue_seconds')) >= 600)
})

t.test('a payment that contradicts its sale is seen until somebody looks at it', async t => {
  const { paymentId, sessionId } = await addBuyer()
  const intent = { paymentIntentId: `pi_${paymentId}`, paymentId, sessionId }
  await sweepCredits(parts)
  t.equal(await read('payment_events_failed'), 0)

  const fact = { kind: 'paid', ...intent, amountCents: 1, currency: 'usd' } as const
  const { id } = await keepEvent(database, { eventId: newId(), type: 'paid', fact })
  t.match(await processEvent(database, id), { state: 'failed' })
  await sweepCredits(parts)

  t.equal(await read('payment_events_failed'), 1)
})
