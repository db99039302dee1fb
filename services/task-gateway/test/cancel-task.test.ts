import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import { balanceOf } from '@funmagic/ledger/accounts'
import { findViolations } from '@funmagic/ledger/proof'
import { release } from '@funmagic/ledger/reservations'
import type { TestUser } from '@funmagic/session/testing'
import { recordSubmitting } from '@funmagic/task/calls'
import { takeDueCancellations } from '@funmagic/task/cancellations'
import { claimTask, failTask, renewLease } from '@funmagic/task/lifecycle'
import { readEvents } from '@funmagic/task/progress-channel'
import { taskSettlements } from '@funmagic/task/settlement'
import t from 'tap'
import { addUser, openGateway, post, submit, submitted, until } from './gateway-app.ts'
import { complete, findUnsettled } from './rows.ts'

const gateway = await openGateway(t)
const { database, redis } = gateway

const cancel = (taskId: string, { cookie }: TestUser) =>
  post(gateway, `/api/tasks/${taskId}/cancel`, { cookie })

async function countReleases(taskId: string): Promise<number> {
  const { rows } = await database.query<{ n: number }>(sql`
    SELECT count(*) AS n FROM credit_transactions
    WHERE type = 'release' AND reference_id = ${taskId}
  `)
  return rows[0]?.n ?? 0
}

t.test('a pending task is canceled and its credits return at once', async t => {
  const owner = await addUser(gateway)
  const taskId = await submitted(gateway, owner)

  const response = await cancel(taskId, owner)

  t.equal(response.statusCode, 200)
  t.match(response.json().task, { id: taskId, status: 'canceled', error: null, output: null })
  t.match(await balanceOf(database, owner.user.id), { balance: 100, reservedBalance: 0 })
  await until(async () => (await readEvents(redis, taskId)).events.length > 0)
  t.match((await readEvents(redis, taskId)).events, [{ event: { type: 'canceled' } }])
})

t.test('canceling again changes nothing and is no fault', async t => {
  const owner = await addUser(gateway)
  const taskId = await submitted(gateway, owner)
  const first = await cancel(taskId, owner)

  const second = await cancel(taskId, owner)

  t.equal(second.statusCode, 200)
  t.same(second.json(), first.json())
  t.equal(await countReleases(taskId), 1)
})

t.test('a task that is being worked on is canceled as well, for nothing (C5, T15)', async t => {
  const owner = await addUser(gateway)
  const taskId = await submitted(gateway, owner)
  const claim = await claimTask(database, { taskId, leaseMs: 30_000 })
  const account = { provider: 'openai', providerId: newId() } as const
  const call = { stepId: 'sketch', ...account, model: 'gpt-image-1.5' }
  const callId = await recordSubmitting(database, { taskId, attempt: 1, ...call })

  const response = await cancel(taskId, owner)

  t.equal(response.statusCode, 200)
  t.match(response.json().task, { id: taskId, status: 'canceled' })
  t.match(await balanceOf(database, owner.user.id), { balance: 100, reservedBalance: 0 })
  t.ok(claim)
  t.equal(await renewLease(database, { taskId, attempt: 1, leaseMs: 30_000 }), false)
  t.match(await takeDueCancellations(database, { limit: 10 }), [{ callId, taskId, attempts: 1 }])
})

t.test('with a task everything is canceled and released that waits for it (T8)', async t => {
  const owner = await addUser(gateway)
  const parentTaskId = await submitted(gateway, owner)
  const body = { toolSlug: 'painter', stepId: 'finish', parentTaskId, input: { prompt: 'more' } }
  const child = (await submit(gateway, body, owner)).json().task
  t.match(await balanceOf(database, owner.user.id), { balance: 60, reservedBalance: 40 })

  const response = await cancel(parentTaskId, owner)

  t.match(response.json().task.children, [{ id: child.id, status: 'canceled' }])
  t.match(await balanceOf(database, owner.user.id), { balance: 100, reservedBalance: 0 })
  await until(async () => (await readEvents(redis, child.id)).events.length > 0)
  t.match((await readEvents(redis, child.id)).events, [{ event: { type: 'canceled' } }])
})

t.test('a task that has ended stays as it ended', async t => {
  const owner = await addUser(gateway)
  const [done, lost] = [await submitted(gateway, owner), await submitted(gateway, owner)]
  await complete(database, done)
  await inTransaction(database, async tx => {
    const failed = await failTask(tx, { taskId: lost, code: 'INTERNAL_ERROR' })
    if (failed) await release(tx, failed.reservationId)
  })

  for (const taskId of [done, lost]) {
    const response = await cancel(taskId, owner)
    t.equal(response.statusCode, 409)
    t.equal(response.json().error.code, 'TASK_FINISHED')
  }
  t.match(await balanceOf(database, owner.user.id), { balance: 80, reservedBalance: 0 })
})

t.test('ten cancellations at once release once', async t => {
  const owner = await addUser(gateway)
  const taskId = await submitted(gateway, owner)

  const responses = await Promise.all(Array.from({ length: 10 }, () => cancel(taskId, owner)))

  t.same([...new Set(responses.map(response => response.statusCode))], [200])
  t.equal(await countReleases(taskId), 1)
  t.match(await balanceOf(database, owner.user.id), { balance: 100, reservedBalance: 0 })
})

t.test('of a cancellation and a completion at the same time exactly one wins (T15)', async t => {
  const owner = await addUser(gateway, 1_000)
  const wins = { canceled: 0, completed: 0 }
  for (let round = 0; round < 24; round++) {
    const taskId = await submitted(gateway, owner)

    const [response, isCompleted] = await Promise.all([
      cancel(taskId, owner),
      complete(database, taskId).then(
        () => true,
        () => false,
      ),
    ])

    t.equal(response.statusCode, isCompleted ? 409 : 200, `round ${round}: ${response.body}`)
    t.equal(await countReleases(taskId), isCompleted ? 0 : 1)
    wins[isCompleted ? 'completed' : 'canceled'] += 1
  }
  t.comment(`canceled ${wins.canceled}, completed ${wins.completed}`)
})

t.test('after all this the books are right, and tasks and credits agree', async t => {
  t.same(await findViolations(database, taskSettlements), [])
  t.same(await findUnsettled(database), [])
})
