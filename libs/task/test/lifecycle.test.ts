import t from 'tap'
import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { createTestDatabase } from '@funmagic/database/testing'
import { inTransaction } from '@funmagic/database/transaction'
import {
  cancelTask,
  claimTask,
  completeTask,
  failTask,
  handBack,
  renewLease,
  reportProgress,
  type Claim,
} from '../src/lifecycle.ts'
import { findTask } from '../src/tasks.ts'
import {
  claim,
  claimed,
  createTaskWorld,
  createUser,
  passDeadline,
  rowsOf,
  submitted,
} from './task-fixture.ts'

const { database } = await createTestDatabase(t)
const world = await createTaskWorld(database)
const { userId } = world
const output = { assetIds: [newId()] }

const read = (taskId: string) => findTask(database, { userId, taskId })
const claimOf = (task: { id: string; attempt: number }): Claim => {
  return { taskId: task.id, attempt: task.attempt }
}
const complete = (held: Claim) =>
  inTransaction(database, tx => completeTask(tx, { ...held, output }))
const fail = (held: { taskId: string; attempt?: number }) =>
  inTransaction(database, tx => failTask(tx, { ...held, code: 'PROVIDER_REJECTED' }))
const cancel = (taskId: string, whileProcessing: boolean, by = userId) =>
  inTransaction(database, tx => cancelTask(tx, { taskId, userId: by, whileProcessing }))

async function stepOf(taskId: string) {
  const rows = await rowsOf(
    database,
    sql`SELECT status, started_at IS NOT NULL AS started, completed_at IS NOT NULL AS completed
        FROM task_steps WHERE task_id = ${taskId}`,
  )
  return rows[0]
}

t.test('a claim raises the attempt and brings everything the worker needs', async t => {
  const { id } = await submitted(world, { input: { prompt: 'a dog' } })

  const task = await claim(database, id)

  t.match(task, { status: 'processing', attempt: 1, rescues: 0, input: { prompt: 'a dog' } })
  t.match(task.step, { id: 'only', type: 'background-remove' })
  t.ok(task.startedAt)
  t.match(await stepOf(id), { status: 'processing', started: true, completed: false })
})

t.test('of many claims of one task at once, one succeeds', async t => {
  const { id } = await submitted(world)

  const claims = await Promise.all(
    Array.from({ length: 12 }, () => claimTask(database, { taskId: id, leaseMs: 30_000 })),
  )

  t.equal(claims.filter(task => task !== undefined).length, 1)
})

t.test('what is taken, finished, overdue or unknown cannot be claimed', async t => {
  const taken = await claimed(world)
  const finished = await claimed(world)
  await complete(claimOf(finished))
  const overdue = await submitted(world)
  await passDeadline(database, overdue.id)

  for (const taskId of [taken.id, finished.id, overdue.id, newId()]) {
    t.equal(await claimTask(database, { taskId, leaseMs: 30_000 }), undefined)
  }
})

t.test('completing stores the output and returns what settles the credits', async t => {
  const task = await claimed(world)
  const provider = { request: { model: 'm' }, response: { ok: true }, meta: { ms: 12 } }

  const finished = await inTransaction(database, tx =>
    completeTask(tx, { ...claimOf(task), output, provider }),
  )

  t.match(finished, { taskId: task.id, userId, reservationId: task.reservationId, creditsCost: 5 })
  t.match(await read(task.id), { status: 'completed', progress: 100, output })
  t.match(await stepOf(task.id), { status: 'completed', completed: true })
  t.match(await rowsOf(database, sql`SELECT * FROM task_payloads WHERE task_id = ${task.id}`), [
    { provider_request: provider.request, provider_meta: provider.meta },
  ])
})

t.test('a failure carries its code to the user and its detail to operators', async t => {
  const task = await claimed(world)

  const finished = await inTransaction(database, tx =>
    failTask(tx, { ...claimOf(task), code: 'PROVIDER_TIMEOUT', detail: 'no answer in 30 s' }),
  )

  t.match(finished, { taskId: task.id, reservationId: task.reservationId })
  t.match(await read(task.id), {
    status: 'failed',
    error: { code: 'PROVIDER_TIMEOUT', message: /took too long/ },
  })
  t.match(await rowsOf(database, sql`SELECT error FROM task_payloads WHERE task_id = ${task.id}`), [
    { error: 'no answer in 30 s' },
  ])
})

t.test('a claim that is over can write nothing (T2)', async t => {
  const old = await claimed(world)
  await handBack(database, { ...claimOf(old), delayMs: 0, counts: 'nothing' })
  const current = await claim(database, old.id)
  const held = claimOf(old)

  t.equal(await renewLease(database, { ...held, leaseMs: 1 }), false)
  t.equal(await reportProgress(database, { ...held, progress: 99 }), false)
  t.equal(await handBack(database, { ...held, delayMs: 0, counts: 'retry' }), undefined)
  t.equal(await complete(held), undefined)
  t.equal(await fail(held), undefined)

  t.match(await read(old.id), { status: 'processing', attempt: current.attempt, progress: 0 })
})

t.test('a finished task stays as it finished', async t => {
  const task = await claimed(world)
  await complete(claimOf(task))

  t.equal(await complete(claimOf(task)), undefined)
  t.equal(await fail({ taskId: task.id }), undefined)
  t.equal(await cancel(task.id, true), undefined)
  t.equal(await renewLease(database, { ...claimOf(task), leaseMs: 1 }), false)

  t.match(await read(task.id), { status: 'completed', output, error: null })
})

t.test('completing, failing and canceling at once: one of them wins', async t => {
  const task = await claimed(world)

  const results = await Promise.all([
    complete(claimOf(task)),
    fail({ taskId: task.id }),
    cancel(task.id, true),
    fail(claimOf(task)),
  ])

  t.equal(results.filter(finished => finished !== undefined).length, 1)
})

t.test('the sweeper can fail a task that nobody has claimed', async t => {
  const { id } = await submitted(world)

  t.match(await fail({ taskId: id }), { taskId: id, startedAt: null })

  t.match(await read(id), { status: 'failed' })
})

t.test('only the owner cancels, and a running task only where that is meant', async t => {
  const pending = await submitted(world)
  const running = await claimed(world)

  t.equal(await cancel(pending.id, true, await createUser(database)), undefined)
  t.equal(await cancel(running.id, false), undefined)
  t.match(await cancel(pending.id, false), { taskId: pending.id })
  t.match(await cancel(running.id, true), { taskId: running.id })

  t.match(await read(pending.id), { status: 'canceled', error: null })
  t.equal(await renewLease(database, { ...claimOf(running), leaseMs: 1 }), false)
})

t.test('progress never goes back', async t => {
  const task = await claimed(world)

  for (const progress of [10, 60, 30]) {
    t.equal(await reportProgress(database, { ...claimOf(task), progress }), true)
  }

  t.match(await read(task.id), { progress: 60 })
})

t.test('renewing moves the end of the lease', async t => {
  const task = await claimed(world)

  t.equal(await renewLease(database, { ...claimOf(task), leaseMs: 3_600_000 }), true)

  const rows = await rowsOf(
    database,
    sql`SELECT lease_until > now() + interval '59 minutes' AS moved FROM tasks
        WHERE id = ${task.id}`,
  )
  t.strictSame(rows, [{ moved: true }])
})

t.test('handing back makes the task pending and wakes it after the delay', async t => {
  const task = await claimed(world)

  const handedBack = await handBack(database, {
    ...claimOf(task),
    delayMs: 60_000,
    counts: 'retry',
  })

  t.strictSame(handedBack, { retries: 1, rateLimitAttempts: 0 })
  t.match(await read(task.id), { status: 'pending', attempt: 1, retries: 1 })
  t.match(await stepOf(task.id), { status: 'pending', completed: false })
  t.match(
    await rowsOf(
      database,
      sql`SELECT payload, available_at > now() + interval '50 seconds' AS later
          FROM outbox WHERE key = ${task.id} ORDER BY id`,
    ),
    [{ later: false }, { later: true, payload: { attempt: 1 } }],
  )
})

t.test('handing back for shutdown counts no retry', async t => {
  const task = await claimed(world)

  const handedBack = await handBack(database, { ...claimOf(task), delayMs: 0, counts: 'nothing' })

  t.strictSame(handedBack, { retries: 0, rateLimitAttempts: 0 })
})

t.test('answers of 429 are counted apart from failures (TR4)', async t => {
  const task = await claimed(world)
  await handBack(database, { ...claimOf(task), delayMs: 0, counts: 'rateLimit' })

  const again = await claim(database, task.id)

  t.match(again, { attempt: 2, retries: 0, rateLimitAttempts: 1 })
})

t.test('a claim knows how much time is left, by the clock of the database', async t => {
  const { remainingMs } = await claimed(world, { timeoutMs: 60_000 })

  t.ok(remainingMs > 30_000 && remainingMs <= 60_000)
})
