import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { balanceOf } from '@funmagic/ledger/accounts'
import { findViolations } from '@funmagic/ledger/proof'
import { readUserEvents } from '@funmagic/task/progress-channel'
import t from 'tap'
import { openCreditApp, until } from './credit-app.ts'

const { app, database, redis, metrics, addUser } = await openCreditApp(t)
const operator = await addUser({ role: 'super_admin' })

function adjust(payload: unknown, options: { cookie?: string; key?: string } = {}) {
  return app.inject({
    method: 'POST',
    url: '/api/admin/credits/adjust',
    headers: {
      cookie: options.cookie ?? operator.cookie,
      'content-type': 'application/json',
      ...(options.key === undefined ? {} : { 'idempotency-key': options.key }),
    },
    payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
  })
}

t.test('an adjustment moves the balance and keeps who did it and why', async t => {
  const { user } = await addUser({ credits: 10 })

  const response = await adjust({ userId: user.id, amount: 50, reason: 'Goodwill' })

  t.equal(response.statusCode, 200)
  const { transaction } = response.json()
  t.match(transaction, { type: 'admin_adjust', amount: 50, balanceAfter: 60 })
  t.match(await balanceOf(database, user.id), { balance: 60 })
  const { rows } = await database.query<{ actor_id: string; description: string }>(
    sql`SELECT actor_id, description FROM credit_transactions WHERE id = ${transaction.id}`,
  )
  t.same(rows, [{ actor_id: operator.user.id, description: 'Goodwill' }])
  t.match(await metrics.registry.metrics(), /credit_adjustments_total\{direction="added".*\} 1/)
})

t.test('the user’s stream tells the new balance', async t => {
  const { user } = await addUser({ credits: 10 })

  await adjust({ userId: user.id, amount: 5, reason: 'Goodwill' })

  await until(async () => (await readUserEvents(redis, user.id)).events.length > 0)
  const { events } = await readUserEvents(redis, user.id)
  t.match(events, [{ event: { type: 'balance', balance: 15, reservedBalance: 0 } }])
})

t.test('what would go below zero is refused and writes nothing', async t => {
  const { user } = await addUser({ credits: 10 })

  const response = await adjust({ userId: user.id, amount: -11, reason: 'Chargeback' })

  t.equal(response.statusCode, 402)
  t.equal(response.json().error.code, 'INSUFFICIENT_CREDITS')
  t.match(await balanceOf(database, user.id), { balance: 10 })
})

t.test('twenty repeats at once under one key adjust once and get one reply', async t => {
  const { user } = await addUser({ credits: 10 })
  const body = { userId: user.id, amount: -7, reason: 'Correction' }
  const key = newId()

  const responses = await Promise.all(Array.from({ length: 20 }, () => adjust(body, { key })))

  t.same([...new Set(responses.map(response => response.statusCode))], [200])
  t.equal(new Set(responses.map(response => response.body)).size, 1)
  t.match(await balanceOf(database, user.id), { balance: 3 })
})

t.test('a key that was used for something else is refused, and changes nothing', async t => {
  const { user } = await addUser({ credits: 10 })
  const other = await addUser({ credits: 10 })
  const body = { userId: user.id, amount: 5, reason: 'Goodwill' }
  const key = 'k'.repeat(255)
  await adjust(body, { key })

  const changes = [{ amount: 6 }, { reason: 'Something else' }, { userId: other.user.id }]
  for (const change of changes) {
    const response = await adjust({ ...body, ...change }, { key })
    t.equal(response.statusCode, 422)
    t.equal(response.json().error.code, 'IDEMPOTENCY_MISMATCH')
  }

  t.match(await balanceOf(database, user.id), { balance: 15 })
  t.match(await balanceOf(database, other.user.id), { balance: 10 })
})

t.test('two operators under one key are two adjustments', async t => {
  const { user } = await addUser()
  const colleague = await addUser({ role: 'super_admin' })
  const body = { userId: user.id, amount: 5, reason: 'Goodwill' }
  const key = newId()

  await adjust(body, { key })
  await adjust(body, { key, cookie: colleague.cookie })

  t.match(await balanceOf(database, user.id), { balance: 10 })
})

t.test('only a super admin may adjust, and others learn nothing about the body', async t => {
  const user = await addUser({ credits: 10 })
  const admin = await addUser({ role: 'admin' })
  const body = { userId: user.user.id, amount: 5, reason: 'For me' }

  t.equal((await adjust(body, { cookie: '' })).statusCode, 401)
  t.equal((await adjust(body, { cookie: user.cookie })).statusCode, 403)
  t.equal((await adjust(body, { cookie: admin.cookie })).statusCode, 403)
  t.equal((await adjust('{broken', { cookie: user.cookie })).statusCode, 403)
  t.match(await balanceOf(database, user.user.id), { balance: 10 })
})

t.test('a malformed adjustment gets a 4xx and writes nothing', async t => {
  const { user } = await addUser({ credits: 10 })
  const good = { userId: user.id, amount: 5, reason: 'Goodwill' }
  const rows: [string, unknown, number, string][] = [
    ['broken JSON', '{"userId":', 400, 'INVALID_JSON'],
    ['no body', '', 400, 'VALIDATION_FAILED'],
    ['an array', [good], 400, 'VALIDATION_FAILED'],
    ['zero', { ...good, amount: 0 }, 400, 'VALIDATION_FAILED'],
    ['a fraction', { ...good, amount: 0.5 }, 400, 'VALIDATION_FAILED'],
    ['a text', { ...good, amount: '5' }, 400, 'VALIDATION_FAILED'],
    ['infinite', `{"userId":"${user.id}","amount":1e400,"reason":"x"}`, 400, 'VALIDATION_FAILED'],
    ['beyond all bounds', { ...good, amount: 9e15 }, 400, 'VALIDATION_FAILED'],
    ['no reason', { ...good, reason: '' }, 400, 'VALIDATION_FAILED'],
    ['a blank reason', { ...good, reason: '  ' }, 400, 'VALIDATION_FAILED'],
    ['a long reason', { ...good, reason: 'x'.repeat(501) }, 400, 'VALIDATION_FAILED'],
    ['NUL in the reason', { ...good, reason: 'a\0b' }, 400, 'INVALID_TEXT'],
    ['half a surrogate pair', { ...good, reason: '\ud800' }, 400, 'INVALID_TEXT'],
    ['a malformed user id', { ...good, userId: "' OR 1=1" }, 400, 'VALIDATION_FAILED'],
    ['an unknown user', { ...good, userId: newId() }, 404, 'NOT_FOUND'],
    ['an unknown property', { ...good, balance: 1 }, 400, 'VALIDATION_FAILED'],
  ]

  for (const [why, payload, status, code] of rows) {
    const response = await adjust(payload)
    t.equal(response.statusCode, status, why)
    t.equal(response.json().error.code, code, why)
  }
  t.match(await balanceOf(database, user.id), { balance: 10 })
})

t.test('a malformed Idempotency-Key is refused', async t => {
  const { user } = await addUser()

  for (const key of ['k'.repeat(256), 'kéy']) {
    const response = await adjust({ userId: user.id, amount: 5, reason: 'Goodwill' }, { key })
    t.equal(response.statusCode, 400)
    t.equal(response.json().error.code, 'INVALID_IDEMPOTENCY_KEY')
  }
})

t.test('after all this the books are right', async t => {
  t.same(await findViolations(database), [])
})
