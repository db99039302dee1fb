import { inspect } from 'node:util'
import { outputBytesMax } from '@funmagic/asset/ingest'
import type { TaskId } from '@funmagic/contract/ids'
import type { ProgressEvent } from '@funmagic/contract/progress'
import { sql } from '@funmagic/database/sql'
import { balanceOf } from '@funmagic/ledger/accounts'
import { findViolations } from '@funmagic/ledger/proof'
import { openCredentials } from '@funmagic/provider/credentials'
import { createLogger } from '@funmagic/runtime/logger'
import { createMetrics, type Metrics } from '@funmagic/runtime/metrics'
import { openRedis, type Redis } from '@funmagic/runtime/redis'
import { readEvents } from '@funmagic/task/progress-channel'
import { taskSettlements } from '@funmagic/task/settlement'
import { readSpend } from '@funmagic/task/spend'
import { findTasks, type Task } from '@funmagic/task/tasks'
import type { Test } from 'tap'
import { openAccounts } from '../src/accounts.ts'
import { createAnnouncer } from '../src/announce.ts'
import type { Shutdown } from '../src/attempt.ts'
import { createEvents } from '../src/events.ts'
import { Interruption } from '../src/interruption.ts'
import { runTask, type RunTaskDeps, type TaskLimits } from '../src/run-task.ts'
import {
  bonusCredits,
  cost,
  createWorld,
  environment,
  secretKey,
  type World,
} from './worker-world.ts'

/** A worker's way to run a task, in this process, without the queue. */
export interface Runner extends World {
  readonly deps: RunTaskDeps
  readonly redis: Redis
  readonly metrics: Metrics
  run(taskId: TaskId, shutdown?: Shutdown): Promise<void>
}

const limits: TaskLimits = {
  leaseMs: 3_000,
  stepTimeoutMs: 20_000,
  cancelTimeoutMs: 2_000,
  progressIntervalMs: 10,
  inputBytesMax: 1_000_000,
  outputBytesMax,
  outputTimeoutMs: 5_000,
  retry: { retriesMax: 3, rateLimitsMax: 5, baseDelayMs: 1_000, delayMaxMs: 60_000 },
}

export interface RunnerOptions {
  readonly limits?: Partial<TaskLimits>
  readonly redisUrl?: string
}

export async function createRunner(t: Test, options: RunnerOptions = {}): Promise<Runner> {
  const world = await createWorld(t)
  const url = options.redisUrl ?? environment('REDIS_CACHE_URL')
  const redis = openRedis({ url, role: 'cache', name: 'worker-test', onError: () => undefined })
  t.teardown(() => redis.disconnect())
  const metrics = createMetrics('provider-worker')
  const events = createEvents(metrics, createLogger('provider-worker', 'silent'))
  const { database, store } = world
  const deps: RunTaskDeps = {
    database,
    store,
    openAccount: openAccounts({
      database,
      credentials: await openCredentials(secretKey),
      timeouts: { submitMs: 3_000, pollMs: 3_000, pollIntervalMs: 10 },
      observe: events.providerAnswered,
    }),
    spendOf: providerId => readSpend(database, providerId),
    // What goes through here is the matter of provider-gate.test.ts.
    gate: { run: async (_entry, work) => work(), leave: async () => undefined },
    announcer: createAnnouncer(redis, events),
    events,
    limits: { ...limits, ...options.limits },
  }
  const run = (taskId: TaskId, shutdown = neverStopping) => runTask(deps, taskId, shutdown)
  return { ...world, deps, redis, metrics, run }
}

const neverStopping: Shutdown = {
  started: new AbortController().signal,
  expired: new AbortController().signal,
}

/** A shutdown whose stages a test brings about. */
export function planShutdown() {
  const started = new AbortController()
  const expired = new AbortController()
  return {
    shutdown: { started: started.signal, expired: expired.signal },
    start: () => started.abort(new Interruption('stopping')),
    expire: () => expired.abort(new Interruption('stopping')),
  }
}

export async function readTask({ database }: World, taskId: TaskId): Promise<Task> {
  const [task] = await findTasks(database, [taskId])
  if (task === undefined) throw new Error(`there is no task ${taskId}`)
  return task
}

/** The rows of a statement, as tests compare them. */
export async function rowsOf({ database }: World, statement: ReturnType<typeof sql>) {
  return (await database.query<Record<string, unknown>>(statement)).rows
}

export async function callsOf(world: World, taskId: TaskId) {
  return rowsOf(
    world,
    sql`SELECT state, attempt, error_kind AS "errorKind", provider_request_id AS "requestId",
          provider, provider_id AS "providerId", model, cost_micro_usd AS "costMicroUsd"
        FROM provider_calls WHERE task_id = ${taskId} ORDER BY attempt`,
  )
}

export async function eventsOf(runner: Runner, taskId: TaskId): Promise<ProgressEvent[]> {
  return (await readEvents(runner.redis, taskId)).events.map(({ event }) => event)
}

/** What must hold whatever happened: the books balance, and a task is paid for once or not. */
export async function assertBooks(t: Test, world: World, spentTasks: number): Promise<void> {
  const violations = await findViolations(world.database, taskSettlements)
  t.strictSame(violations, [], inspect(violations, { depth: 5 }))
  const balance = await balanceOf(world.database, world.userId)
  const spent = spentTasks * cost
  t.match(balance, { balance: bonusCredits - spent, reservedBalance: 0, lifetimeSpent: spent })
}
