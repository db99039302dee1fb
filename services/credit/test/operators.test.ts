import t from 'tap'
import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import { balanceOf } from '@funmagic/ledger/accounts'
import { findViolations } from '@funmagic/ledger/proof'
import { reserve } from '@funmagic/ledger/reservations'
import { readUserEvents } from '@funmagic/task/progress-channel'
import { sweepCredits } from '../src/jobs/sweep-credits.ts'
import { aloneCreditsMax, openCreditApp, until } from './credit-app.ts'

const opened = await openCreditApp(t)
const { app, database, redis, addUser } = opened
const asking = await addUser({ role: 'super_admin' })
const deciding = await addUser({ role: 'super_admin' })
const large = aloneCreditsMax + 1

interface Call {
  readonly cookie?: string
  readonly payload?: object
  readonly key?: string
}

function post(path: string, { cookie = asking.cookie, payload, key }: Call = {}) {
  const headers = { cookie, ...(key !== undefined && { 'idempotency-key': key }) }
  const url = `/api/admin/credits/${path}`
  return app.inject({ method: 'POST', url, headers, ...(payload && { payload }) })
}

function get(path: string, cookie: string) {
  return app.inject({ url: path, headers: { cookie } })
}

const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString()

t.test('beyond the limit a second super admin decides, once', async t => {
  const { user } = await addUser({ credits: 10 })
  const payload = { userId: user.id, amount: large, reason: 'Contest' }

  const asked = await Promise.all([1, 2].map(() => post('adjust', { payload, key: 'contest' })))
  t.same(
    asked.map(reply => reply.statusCode),
    [202, 202],
  )
  const [{ id, status }] = [asked[0]?.json().adjustment]
  t.equal(asked[1]?.json().adjustment.id, id)
  t.equal(status, 'pending')
  t.match(await balanceOf(database, user.id), { balance: 10 })

  const own = await post(`adjustments/${id}/approve`)
  t.equal(own.json().error.code, 'SECOND_PERSON_REQUIRED')
  const list = await get('/api/admin/credits/adjustments?status=pending', deciding.cookie)
  t.match(list.json().items, [{ id, requestedBy: asking.user.id }])
  const approvals = await Promise.all(
    [1, 2, 3].map(() => post(`adjustments/${id}/approve`, { cookie: deciding.cookie })),
  )

  t.same([...new Set(approvals.map(reply => reply.statusCode))], [200])
  t.match(await balanceOf(database, user.id), { balance: 10 + large })
})

t.test('what was rejected cannot be approved', async t => {
  const { user } = await addUser()
  const payload = { userId: user.id, amount: -large, reason: 'Mistake' }
  const { id } = (await post('adjust', { payload })).json().adjustment

  t.equal((await post(`adjustments/${id}/reject`)).json().adjustment.status, 'rejected')
  const { cookie } = deciding
  t.equal((await post(`adjustments/${id}/approve`, { cookie })).json().error.code, 'CONFLICT')
  t.equal((await post(`adjustments/${newId()}/approve`, { cookie })).statusCode, 404)
})

t.test('a grant is the user’s to spend until it ends', async t => {
  const { user, cookie } = await addUser()
  const payload = { userId: user.id, amount: 50, expiresAt: inAnHour(), reason: 'Welcome back' }

  const replies = await Promise.all(
    Array.from({ length: 5 }, () => post('grants', { payload, key: 'welcome' })),
  )

  t.same([...new Set(replies.map(reply => reply.statusCode))], [201])
  const own = await get('/api/credits/grants?spendable=true', cookie)
  t.match(own.json(), { items: [{ kind: 'promotion', amount: 50, remaining: 50 }] })
  await database.query(sql`UPDATE credit_grants SET expires_at = now() - interval '1 minute',
    usable_until = now() - interval '1 minute' WHERE user_id = ${user.id}`)
  await sweepCredits({ ...opened, payments: undefined })
  t.match(await balanceOf(database, user.id), { balance: 0 })
  t.same((await get('/api/credits/grants?spendable=true', cookie)).json().items, [])
  const history = (await get('/api/credits/transactions', cookie)).json().items
  t.match(history, [{ type: 'admin_adjust', amount: -50, description: 'Expired: promotion' }, {}])
})

t.test('a large grant waits as well', async t => {
  const { user } = await addUser()
  const payload = { userId: user.id, amount: large, expiresAt: inAnHour(), reason: 'Prize' }

  const { id } = (await post('grants', { payload })).json().adjustment
  await post(`adjustments/${id}/approve`, { cookie: deciding.cookie })

  const { rows } = await database.query<{ kind: string }>(
    sql`SELECT kind FROM credit_grants WHERE user_id = ${user.id} AND amount = ${large}`,
  )
  t.same(rows, [{ kind: 'compensation' }])
})

t.test('a malformed grant gets a 4xx', async t => {
  const { user } = await addUser()
  const good = { userId: user.id, amount: 5, expiresAt: inAnHour(), reason: 'x' }
  const rows: [object, number][] = [
    [{ ...good, expiresAt: '2020-01-01T00:00:00Z' }, 400],
    [{ ...good, expiresAt: '2030-02-30T00:00:00Z' }, 400],
    [{ ...good, expiresAt: 'tomorrow' }, 400],
    [{ ...good, amount: 0 }, 400],
    [{ ...good, kind: 'gift' }, 400],
    [{ ...good, reason: ' ' }, 400],
    [{ ...good, userId: newId() }, 404],
  ]

  for (const [payload, status] of rows) {
    t.equal((await post('grants', { payload })).statusCode, status, JSON.stringify(payload))
  }
})

t.test('an admin reads any account, which is recorded, and changes none', async t => {
  const admin = await addUser({ role: 'admin' })
  const { user, cookie } = await addUser({ credits: 10 })
  const path = `/api/admin/credits/users/${user.id}`

  t.match((await get(path, admin.cookie)).json(), { userId: user.id, balance: 10, debt: 0 })
  const history = await get(`${path}/transactions?limit=1`, admin.cookie)
  t.match(history.json(), { items: [{ type: 'bonus' }] })
  t.equal((await get(path, cookie)).statusCode, 403)
  t.equal((await get(path, '')).statusCode, 401)
  t.equal((await get(`/api/admin/credits/users/${newId()}`, admin.cookie)).statusCode, 404)

  const { rows } = await database.query(
    sql`SELECT actor_id, subject FROM credit_readings WHERE user_id = ${user.id} ORDER BY id`,
  )
  t.same(rows, [
    { actor_id: admin.user.id, subject: 'account' },
    { actor_id: admin.user.id, subject: 'transactions' },
  ])
  const asAdmin = { cookie: admin.cookie, payload: {} }
  t.equal((await post('grants', asAdmin)).statusCode, 403)
  t.equal((await post(`adjustments/${newId()}/approve`, asAdmin)).statusCode, 403)
})

t.test('a balance that falls below a threshold is told once for each crossing', async t => {
  const { user } = await addUser({ credits: 50 })
  const spend = (amount: number) =>
    inTransaction(database, tx =>
      reserve(tx, {
        userId: user.id,
        referenceId: newId(),
        amount,
        deadlineAt: new Date(Date.now() + 60_000),
      }),
    )
  const sweep = () => sweepCredits({ ...opened, payments: undefined })
  const told = async () =>
    (await readUserEvents(redis, user.id)).events.flatMap(({ event }) =>
      event.type === 'balance' && event.lowThreshold !== undefined ? [event.lowThreshold] : [],
    )

  await sweep()
  t.same(await told(), [])
  await spend(35)
  await Promise.all([sweep(), sweep(), sweep()])
  t.same(await told(), [20])
  await spend(12)
  await sweep()
  await sweep()
  t.same(await told(), [20, 5])
  await post('adjust', { payload: { userId: user.id, amount: 40, reason: 'More' } })
  await sweep()
  await spend(30)
  await sweep()
  t.same(await told(), [20, 5, 20])
})

t.test('a change by an operator reaches the user’s tier at once', async t => {
  const { user } = await addUser()
  await redis.set(`rate_limit_tier:${user.id}`, 5_000)

  await post('adjust', { payload: { userId: user.id, amount: 40, reason: 'More' } })

  await until(async () => (await redis.get(`rate_limit_tier:${user.id}`)) === '0')
  t.ok((await redis.ttl(`rate_limit_tier:${user.id}`)) > 290)
})

t.test('after all this the books are right', async t => {
  t.same(await findViolations(database), [])
})
