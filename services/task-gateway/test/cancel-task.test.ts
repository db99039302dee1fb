import { sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import { balanceOf } from '@funmagic/ledger/accounts'
import { findViolations } from '@funmagic/ledger/proof'
import { release } from '@funmagic/ledger/reservations'
import type { TestUser } from '@funmagic/session/testing'
import { claimTask, failTask } from '@funmagic/task/lifecycle'
import { readEvents } from '@funmagic/task/progress-channel'
import { taskSettlements } from '@funmagic/task/settlement'
import t from 'tap'
import { addUser, openGateway, post, submitted, until } from './gateway-app.ts'
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

t.test('a task that is being worked on is not canceled, and the reply says why', async t => {
  const owner = await addUser(gateway)
  const taskId = await submitted(gateway, owner)
  await claimTask(database, { taskId, leaseMs: 30_000 })

  const response = await cancel(taskId, owner)

  t.equal(response.statusCode, 409)
  t.match(response.json().error, {
    code: 'CONFLICT',
    details: { status: 'processing', suggestion: /still pending/ },
  })
  t.match(await balanceOf(database, owner.user.id), { balance: 80, reservedBalance: 20 })
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

t.test('of a cancellation and a claim at the same time exactly one wins', async t => {
  const owner = await addUser(gateway, 1_000)
  const wins = { canceled: 0, claimed: 0 }
  for (let round = 0; round < 24; round++) {
    const taskId = await submitted(gateway, owner)

    const [response, claim] = await Promise.all([
      cancel(taskId, owner),
      claimTask(database, { taskId, leaseMs: 30_000 }),
    ])

    const isCanceled = response.statusCode === 200
    t.equal(isCanceled, claim === undefined, `round ${round}: ${response.body}`)
    t.equal(await countReleases(taskId), isCanceled ? 1 : 0)
    wins[isCanceled ? 'canceled' : 'claimed'] += 1
  }
  t.comment(`canceled ${wins.canceled}, claimed ${wins.claimed}`)
})

t.test('after all this the books are right, and tasks and credits agree', async t => {
  t.same(await findViolations(database, taskSettlements), [])
  t.same(await findUnsettled(database), [])
})
