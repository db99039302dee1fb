import t from 'tap'
import { newId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import { sql } from '@funmagic/database/sql'
import { createTestDatabase } from '@funmagic/database/testing'
import { inTransaction } from '@funmagic/database/transaction'
import { findReplay, recordTask, requestHashOf } from '../src/submission.ts'
import { findTask } from '../src/tasks.ts'
import { createTaskWorld, createUser, newTask, rowsOf, submit, submitted } from './task-fixture.ts'

const { database } = await createTestDatabase(t)
const world = await createTaskWorld(database)
const hash = (body: object) => requestHashOf(body)

t.test('a task is recorded with its input, its step and a wake-up', async t => {
  const task = await submitted(world, { requestId: 'request-7' })

  const { id } = task
  t.match(task, { status: 'pending', attempt: 0, progress: 0, error: null, output: null })
  t.strictSame(await findTask(database, { userId: world.userId, taskId: id }), task)
  t.match(await rowsOf(database, sql`SELECT input FROM task_payloads WHERE task_id = ${id}`), [
    { input: { prompt: 'a cat' } },
  ])
  t.match(await rowsOf(database, sql`SELECT status FROM task_steps WHERE task_id = ${id}`), [
    { status: 'pending' },
  ])
  t.match(await rowsOf(database, sql`SELECT payload FROM outbox WHERE key = ${id}`), [
    { payload: { taskId: id, requestId: 'request-7', attempt: 0 } },
  ])
})

t.test('the reservation gets the deadline of the task', async t => {
  const task = await submitted(world, { timeoutMs: 90_000 })

  const rows = await rowsOf(
    database,
    sql`SELECT deadline_at FROM credit_reservations WHERE id = ${task.reservationId}`,
  )
  t.strictSame(rows, [{ deadline_at: task.deadlineAt }])
  t.equal(task.deadlineAt.getTime() - task.createdAt.getTime(), 90_000)
})

t.test('a task that cannot be paid leaves nothing behind', async t => {
  const before = await rowsOf(database, sql`SELECT count(*) FROM tasks`)

  const refused = inTransaction(database, tx =>
    recordTask(tx, newTask(world), async () => {
      throw new AppError('INSUFFICIENT_CREDITS')
    }),
  )

  await t.rejects(refused, { code: 'INSUFFICIENT_CREDITS' })
  t.strictSame(await rowsOf(database, sql`SELECT count(*) FROM tasks`), before)
})

t.test('a repeat under the same key returns the first task and reserves nothing', async t => {
  const idempotency = { key: newId(), requestHash: hash({ a: 1 }) }
  const first = await submit(world, { idempotency })

  const second = await submit(world, { idempotency })

  t.equal(first.kind, 'recorded')
  t.equal(second.kind, 'replayed')
  t.strictSame(second.task, first.task)
  t.match(
    await rowsOf(
      database,
      sql`SELECT count(*) FROM credit_reservations WHERE reference_id = ${first.task.id}`,
    ),
    [{ count: 1 }],
  )
})

t.test('twelve submissions under one key at once make one task and one reservation', async t => {
  const userId = await createUser(database)
  const idempotency = { key: 'the-key', requestHash: hash({ a: 1 }) }

  const submissions = await Promise.all(
    Array.from({ length: 12 }, () => submit({ ...world, userId }, { idempotency })),
  )

  t.equal(submissions.filter(({ kind }) => kind === 'recorded').length, 1)
  t.equal(new Set(submissions.map(({ task }) => task.id)).size, 1)
  t.match(
    await rowsOf(database, sql`SELECT count(*) FROM credit_reservations WHERE user_id = ${userId}`),
    [{ count: 1 }],
  )
})

t.test('the same key with another request is refused and writes nothing', async t => {
  const key = newId()
  await submit(world, { idempotency: { key, requestHash: hash({ a: 1 }) } })
  const other = { key, requestHash: hash({ a: 2 }) }
  const before = await rowsOf(database, sql`SELECT count(*) FROM credit_reservations`)

  await t.rejects(submit(world, { idempotency: other }), { code: 'IDEMPOTENCY_MISMATCH' })
  const lookUp = findReplay(database, { userId: world.userId, ...other })
  await t.rejects(lookUp, { code: 'IDEMPOTENCY_MISMATCH' })

  t.strictSame(await rowsOf(database, sql`SELECT count(*) FROM credit_reservations`), before)
})

t.test("a key belongs to its user: another user's never matches", async t => {
  const idempotency = { key: newId(), requestHash: hash({ a: 1 }) }
  const first = await submit(world, { idempotency })
  const userId = await createUser(database)

  const second = await submit({ ...world, userId }, { idempotency })

  t.equal(second.kind, 'recorded')
  t.not(second.task.id, first.task.id)
})

t.test('a repeat is found without a transaction; an unknown key is not', async t => {
  const idempotency = { key: newId(), requestHash: hash({ a: 1 }) }
  const { task } = await submit(world, { idempotency })
  const { userId } = world

  t.strictSame(await findReplay(database, { userId, ...idempotency }), task)
  t.equal(await findReplay(database, { userId, ...idempotency, key: newId() }), undefined)
})

t.test('the hash of a request does not depend on the order of its properties', async t => {
  const one = hash({ toolSlug: 'x', input: { prompt: 'a', assetId: 'b' }, list: [1, 2] })
  const same = hash({ list: [1, 2], input: { assetId: 'b', prompt: 'a' }, toolSlug: 'x' })
  const other = hash({ list: [2, 1], input: { assetId: 'b', prompt: 'a' }, toolSlug: 'x' })

  t.equal(one, same)
  t.not(one, other)
  t.match(one, /^[0-9a-f]{64}$/)
})
