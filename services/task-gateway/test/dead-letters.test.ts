import { newId, type TaskId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import { balanceOf } from '@funmagic/ledger/accounts'
import { findViolations } from '@funmagic/ledger/proof'
import { release } from '@funmagic/ledger/reservations'
import type { TestUser } from '@funmagic/session/testing'
import { groupDeadLetters, listDeadLetters } from '@funmagic/task/dead-letters'
import { failTask } from '@funmagic/task/lifecycle'
import { taskSettlements } from '@funmagic/task/settlement'
import { findInput, findTask } from '@funmagic/task/tasks'
import type { FailureCode } from '@funmagic/task/task-state'
import t from 'tap'
import { retryDeadLetters } from '../src/retry-dead-letters.ts'
import { addUser, openGateway, submitted } from './gateway-app.ts'
import { findUnsettled } from './rows.ts'

const gateway = await openGateway(t)
const { database, events, announcer, nudges } = gateway
const dispatcher = { nudge: () => void (nudges.count += 1) }
const deps = { database, events, announcer, dispatcher, timeoutDefaultMs: 60_000 }
const retry = (filter: object, limit = 10) =>
  retryDeadLetters(deps, { filter, limit, requestId: 'operator-1' })

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
  const filter = { userId: owner.user.id }

  const first = await listDeadLetters(database, filter, { limit: 2, beforeId: undefined })
  const rest = await listDeadLetters(database, filter, {
    limit: 2,
    beforeId: first.nextCursor ?? '',
  })

  t.same(
    [...first.items, ...rest.items].map(({ taskId }) => taskId),
    ids.toReversed(),
  )
  t.match(first.items[0], { code: 'POISON', detail: 'the reason of POISON', retriedByTaskId: null })
  t.equal(rest.nextCursor, null)
  t.match(await groupDeadLetters(database, filter), [
    { code: 'POISON', toolSlug: 'painter', count: 2, retriedCount: 0 },
    { code: 'PROVIDER_TIMEOUT', count: 1 },
  ])
  t.same(
    (
      await listDeadLetters(
        database,
        { ...filter, code: 'POISON' },
        { limit: 9, beforeId: undefined },
      )
    ).items.length,
    2,
  )
})

t.test('a retry is a new task of the owner’s, paid like any other, once', async t => {
  const owner = await addUser(gateway)
  const { id: userId } = owner.user
  const taskId = await failed(owner, 'PROVIDER_UNAVAILABLE')
  t.match(await balanceOf(database, userId), { balance: 100, reservedBalance: 0 })

  const [one, two] = await Promise.all([retry({ userId }), retry({ userId })])
  const third = await retry({ userId })

  const retried = [...one.retried, ...two.retried, ...third.retried]
  t.equal(retried.length, 1)
  const again = await findTask(database, { userId, taskId: retried[0]?.newTaskId ?? newId() })
  t.match(again, { status: 'pending', retriedTaskId: taskId, creditsCost: 20 })
  t.same(await findInput(database, again?.id ?? ''), await findInput(database, taskId))
  t.match(await findTask(database, { userId, taskId }), { status: 'failed' })
  t.match(await balanceOf(database, userId), { balance: 80, reservedBalance: 20 })
  const { items } = await listDeadLetters(database, { userId }, { limit: 5, beforeId: undefined })
  t.match(items, [{ taskId, retriedByTaskId: again?.id }])
})

t.test('what its owner cannot pay for is skipped, and the others go on', async t => {
  const [poor, rich] = [await addUser(gateway, 20), await addUser(gateway)]
  const code = 'IMAGE_PROCESSING_FAILED'
  const skipped = await failed(poor, code)
  await submitted(gateway, poor)
  const other = await failed(rich, code)

  const report = await retry({ code })

  t.match(report.skipped, [{ taskId: skipped, code: 'INSUFFICIENT_CREDITS' }])
  t.match(report.retried, [{ taskId: other }])
})

t.test('after 14 days a dead letter is history', async t => {
  const owner = await addUser(gateway)
  const { id: userId } = owner.user
  await failed(owner, 'POISON')
  await database.query(sql`
    UPDATE tasks SET finished_at = now() - interval '15 days' WHERE user_id = ${userId}
  `)

  t.same((await listDeadLetters(database, { userId }, { limit: 5, beforeId: undefined })).items, [])
  t.same((await retry({ userId })).retried, [])
})

t.test('after all this the books are right', async t => {
  t.same(await findViolations(database, taskSettlements), [])
  t.same(await findUnsettled(database), [])
})
