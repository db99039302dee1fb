import t from 'tap'
import { sql } from '@funmagic/database/sql'
import type { Database } from '@funmagic/database/client'
import { findViolations } from '@funmagic/ledger/proof'
import { taskSettlements } from '@funmagic/task/settlement'
import { makePicture, type Client } from './client.ts'
import { startPlatform, until, type Platform } from './platform.ts'

// Many processes on few cores.
t.setTimeout(300_000)

let opened: Promise<Platform> | undefined

/** One system for the tests of this file, with short leases so that rescue can be watched. */
function open(): Promise<Platform> {
  opened ??= startPlatform(t, {
    PROVIDER_LATENCY_MS: '1000',
    TASK_LEASE_MS: '5000',
    SWEEP_INTERVAL_MS: '500',
    REDISPATCH_AFTER_SECONDS: '2',
  })
  return opened
}

async function submitMany(user: Client, count: number): Promise<string[]> {
  const asset = await user.upload(await makePicture())
  const replies = await Promise.all(Array.from({ length: count }, () => user.submit(asset.id)))
  return replies.map(({ body }) => body.task.id)
}

async function untilFinished(database: Database, taskIds: readonly string[]): Promise<void> {
  await until(async () => {
    const { rows } = await database.query<{ open: number }>(sql`
      SELECT count(*) AS open FROM tasks
      WHERE id = ANY (${taskIds}::uuid[]) AND finished_at IS NULL
    `)
    return rows[0]?.open === 0
  }, 'all tasks have ended')
}

/** M1–M3, M5–M8: the books are right, and what has ended is settled, exactly that. */
async function brokenRules(database: Database): Promise<unknown[]> {
  const { rows } = await database.query(sql`
    SELECT tasks.id, tasks.status, r.state, r.spent_amount FROM tasks
    JOIN credit_reservations r ON r.id = tasks.reservation_id
    WHERE CASE
      WHEN status = 'completed' THEN r.state <> 'confirmed' OR r.spent_amount <> credits_cost
      WHEN finished_at IS NOT NULL THEN r.state <> 'released'
      ELSE r.state <> 'open'
    END
  `)
  return [...rows, ...(await findViolations(database, taskSettlements))]
}

t.test('after the loss of all of Redis every task still ends and is paid once', async t => {
  const { newUser, database, flushRedis } = await open()
  const user = await newUser()
  const taskIds = await submitMany(user, 12)

  await flushRedis()
  await untilFinished(database, taskIds)

  const tasks = await Promise.all(taskIds.map(taskId => user.task(taskId)))
  t.ok(tasks.every(({ status }) => status === 'completed'))
  t.same(await user.balance(), { balance: 40, reservedBalance: 0 })
  t.same(await brokenRules(database), [])
})

t.test('a worker killed in the middle: its tasks end, paid once, asked for once', async t => {
  const { newUser, database, pidOf, submits } = await open()
  const user = await newUser()
  const before = await submits('fal')
  const taskIds = await submitMany(user, 4)
  const isRunning = async () => (await submits('fal')) - before >= 3
  await until(isRunning, 'the provider has most of the calls')

  process.kill(await pidOf('provider-worker'), 'SIGKILL')
  await untilFinished(database, taskIds)

  const tasks = await Promise.all(taskIds.map(taskId => user.task(taskId)))
  t.ok(tasks.every(({ status }) => status === 'completed'))
  t.same(await user.balance(), { balance: 80, reservedBalance: 0 })
  // A call whose id the worker had not yet written down is made again, once.
  t.ok((await submits('fal')) - before <= 5)
  t.same(await brokenRules(database), [])
})

const services = ['auth', 'asset', 'credit', 'task-gateway', 'progress', 'provider-worker'] as const

for (const service of services) {
  t.test(`SIGTERM to ${service} under load loses no request and no task`, async t => {
    const { newUser, database, addresses, pidOf } = await open()
    const user = await newUser()
    const asset = await user.upload(await makePicture())
    const load = startLoad(user, asset.id)

    const pid = await pidOf(service)
    process.kill(pid, 'SIGTERM')
    await until(async () => (await pidOf(service)) !== pid, 'another process has taken its place')
    await until(() => isHealthy(addresses.services[service] ?? ''), 'it is back')
    const { failures, taskIds } = await load.stop()
    await untilFinished(database, taskIds)

    t.same(failures, [])
    t.same(await brokenRules(database), [])
  })
}

async function isHealthy(address: string): Promise<boolean> {
  try {
    return (await fetch(`${address}/health`)).ok
  } catch {
    // Nobody listens yet.
    return false
  }
}

/** Requests to all services, one after the other in four lanes, until it is stopped. */
function startLoad(user: Client, assetId: string) {
  const failures: string[] = []
  const taskIds: string[] = []
  let isStopped = false
  const ask = async (method: string, path: string, body?: object) => {
    const reply = await user.send(method, path, body)
    if (reply.status >= 400) failures.push(`${method} ${path}: ${reply.status}`)
    return reply
  }
  const lanes = [
    () => ask('GET', '/api/auth/get-session'),
    () => ask('GET', '/api/assets'),
    () => ask('GET', '/api/credits'),
    async () => {
      if (taskIds.length >= 15) return ask('GET', '/api/tasks')
      const input = { assetId }
      const reply = await ask('POST', '/api/tasks', { toolSlug: 'background-remove', input })
      if (reply.status === 201) taskIds.push(reply.body.task.id)
      return reply
    },
  ].map(async step => {
    // Bounded by stop(), and by the deadline of each request.
    while (!isStopped) {
      await step().catch((error: unknown) => failures.push(String(error)))
    }
  })
  return {
    stop: async () => {
      isStopped = true
      await Promise.all(lanes)
      return { failures, taskIds }
    },
  }
}
