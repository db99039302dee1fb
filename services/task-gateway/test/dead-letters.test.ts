import { newId, type TaskId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import { balanceOf } from '@funmagic/ledger/accounts'
import { findViolations } from '@funmagic/ledger/proof'
import { release } from '@funmagic/ledger/reservations'
import { listAdminEvents } from '@funmagic/session/admin-events'
import type { TestUser } from '@funmagic/session/testing'
import { countRecentFailures } from '@funmagic/task/dead-letters'
import { failTask } from '@funmagic/task/lifecycle'
import { taskSettlements } from '@funmagic/task/settlement'
import { findInput, findTask } from '@funmagic/task/tasks'
import type { FailureCode } from '@funmagic/task/task-state'
import t from 'tap'
import { addOperator, send } from './admin-app.ts'
import { addUser, openGateway, submitted } from './gateway-app.ts'
import { findUnsettled } from './rows.ts'

const gateway = await openGateway(t)
const { database } = gateway
const { cookie, user: admin } = await addOperator(gateway)
const path = '/api/admin/tasks/dead-letters'
const reason = 'the provider is back'

interface Retry {
  readonly taskId: TaskId
  readonly newTaskId: TaskId | null
  readonly errorCode: string | null
}

async function retry(filter: object, { limit = 10, key = newId() } = {}): Promise<Retry[]> {
  const body = { filter, limit, reason }
  const headers = { 'idempotency-key': key }
  const response = await send(gateway, `POST ${path}/retry`, { cookie, headers, body })
  if (response.statusCode !== 200) throw new Error(response.body)
  return response.json().items
}

async function list(query: string) {
  return (await send(gateway, `GET ${path}?${query}`, { cookie })).json()
}

async function failed(owner: TestUser, code: FailureCode): Promise<TaskId> {
  const taskId = await submitted(gateway, owner)
  await inTransaction(database, async tx => {
    const task = await failTask(tx, { taskId, code, detail: `the reason of ${code}` })
    if (task !== undefined) await release(tx, task.reservationId)
  })
  return taskId
}

t.test('dead letters are listed with their reasons, newest first, and grouped', async t => {
  const owner = await addUser(gateway)
  const ids = [await failed(owner, 'POISON'), await failed(owner, 'PROVIDER_TIMEOUT')]
  ids.push(await failed(owner, 'POISON'))
  const mine = `userId=${owner.user.id}`

  const first = await list(`${mine}&limit=2`)
  const rest = await list(`${mine}&limit=2&cursor=${first.nextCursor}`)
  const groups = await send(gateway, `GET ${path}/groups?${mine}`, { cookie })

  t.same(
    [...first.items, ...rest.items].map(({ taskId }) => taskId),
    ids.toReversed(),
  )
  const detail = 'the reason of POISON'
  t.match(first.items[0], { errorCode: 'POISON', detail, retriedByTaskId: null })
  t.equal(rest.nextCursor, null)
  t.match(groups.json().items, [
    { errorCode: 'POISON', toolSlug: 'painter', count: 2, retriedCount: 0 },
    { errorCode: 'PROVIDER_TIMEOUT', count: 1 },
  ])
})

t.test(
  'those that nobody’s input is to blame for are counted for the alarm, for an hour',
  async t => {
    const owner = await addUser(gateway)
    const count = () => countRecentFailures(database, { withinMs: 3_600_000 })
    const before = await count()

    await failed(owner, 'PROVIDER_REJECTED')
    const taskId = await failed(owner, 'PROVIDER_UNAVAILABLE')

    t.equal(await count(), before + 1)
    await database.query(sql`
    UPDATE tasks SET finished_at = now() - interval '61 minutes' WHERE id = ${taskId}
  `)
    t.equal(await count(), before)
  },
)

t.test('dead letters are found by reason, tool and time', async t => {
  const owner = await addUser(gateway)
  const taskId = await failed(owner, 'PROVIDER_TIMEOUT')
  const [letter] = (await list(`userId=${owner.user.id}`)).items
  const found = async (query: string) =>
    (await list(`userId=${owner.user.id}&${query}`)).items.length

  t.equal(letter.taskId, taskId)
  t.equal(await found('errorCode=PROVIDER_TIMEOUT'), 1)
  t.equal(await found('errorCode=POISON'), 0)
  t.equal(await found('toolSlug=painter'), 1)
  t.equal(await found('toolSlug=background-remove'), 0)
  t.equal(await found(`failedFrom=${letter.failedAt}`), 1)
  t.equal(await found(`failedBefore=${letter.failedAt}`), 0)
})

t.test('what is wrong with a question or an order is named', async t => {
  const wrong = ['limit=0', 'errorCode=%27', 'failedFrom=2026-02-30T00:00:00Z', 'x=1', 'userId=1']
  for (const query of wrong) t.equal((await list(query)).error.code, 'VALIDATION_FAILED', query)
  t.equal((await list('cursor=abc')).error.code, 'INVALID_CURSOR')
  const orders: [object, string][] = [
    [{ reason }, '/filter'],
    [{ filter: {} }, '/reason'],
    [{ filter: {}, reason, limit: 101 }, '/limit'],
    [{ filter: {}, reason, limit: 0 }, '/limit'],
    [{ filter: { code: 'POISON' }, reason }, '/filter'],
    [{ filter: { userId: '1' }, reason }, '/filter/userId'],
  ]
  for (const [body, pointer] of orders) {
    const response = await send(gateway, `POST ${path}/retry`, { cookie, body })
    t.equal(response.statusCode, 400, pointer)
    t.match(response.json().error.details.faults[0].pointer, new RegExp(`^${pointer}`))
  }
})

t.test('a retry is a new task of the owner’s, paid like any other, once', async t => {
  const owner = await addUser(gateway)
  const { id: userId } = owner.user
  const taskId = await failed(owner, 'PROVIDER_UNAVAILABLE')
  t.match(await balanceOf(database, userId), { balance: 100, reservedBalance: 0 })

  await Promise.all([retry({ userId }), retry({ userId })])
  t.same(await retry({ userId }), [])

  const { items } = await list(`userId=${userId}`)
  t.match(items, [{ taskId, retriedByTaskId: String }])
  const newTaskId = items[0].retriedByTaskId
  const again = await findTask(database, { userId, taskId: newTaskId })
  t.match(again, { status: 'pending', retriedTaskId: taskId, creditsCost: 20 })
  t.same(await findInput(database, newTaskId), await findInput(database, taskId))
  t.match(await findTask(database, { userId, taskId }), { status: 'failed' })
  t.match(await balanceOf(database, userId), { balance: 80, reservedBalance: 20 })
})

t.test(
  'under its key an order goes on with the tasks that it began with, and no other',
  async t => {
    const owner = await addUser(gateway)
    const { id: userId } = owner.user
    const [key, ids] = [newId(), [await failed(owner, 'POISON'), await failed(owner, 'POISON')]]

    const first = await retry({ userId }, { key, limit: 1 })
    const later = await retry({ userId }, { key, limit: 1 })
    const other = await send(gateway, `POST ${path}/retry`, {
      cookie,
      headers: { 'idempotency-key': key },
      body: { filter: {}, reason },
    })

    t.match(first, [{ taskId: ids[0], newTaskId: String, errorCode: null }])
    t.same(later, first)
    t.equal(other.json().error.code, 'IDEMPOTENCY_MISMATCH')
    t.match(await balanceOf(database, userId), { balance: 80, reservedBalance: 20 })
  },
)

t.test('an order is a line in the audit, with its reason and the tasks', async t => {
  const owner = await addUser(gateway)
  const { id: userId } = owner.user
  const taskId = await failed(owner, 'POISON')

  await retry({ userId })

  const filter = { actorId: admin.id, subjectType: 'task' } as const
  const { items } = await listAdminEvents(database, filter, { limit: 1, beforeId: undefined })
  const after = { filter: { userId }, taskIds: [taskId] }
  t.match(items, [{ action: 'task.dead_letters_retried', reason, after }])
})

t.test('what its owner cannot pay for is skipped, and the others go on', async t => {
  const [poor, rich] = [await addUser(gateway, 20), await addUser(gateway)]
  const errorCode = 'IMAGE_PROCESSING_FAILED'
  const skipped = await failed(poor, errorCode)
  await submitted(gateway, poor)
  const other = await failed(rich, errorCode)

  t.match(await retry({ errorCode }), [
    { taskId: skipped, newTaskId: null, errorCode: 'INSUFFICIENT_CREDITS' },
    { taskId: other, newTaskId: String, errorCode: null },
  ])
})

t.test('after 14 days a dead letter is history', async t => {
  const owner = await addUser(gateway)
  const { id: userId } = owner.user
  await failed(owner, 'POISON')
  await database.query(sql`
    UPDATE tasks SET finished_at = now() - interval '15 days' WHERE user_id = ${userId}
  `)

  t.same((await list(`userId=${userId}`)).items, [])
  t.same(await retry({ userId }), [])
})

t.test('after all this the books are right', async t => {
  t.same(await findViolations(database, taskSettlements), [])
  t.same(await findUnsettled(database), [])
})
