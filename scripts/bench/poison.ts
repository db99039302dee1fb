import { setTimeout as wait } from 'node:timers/promises'
import type { TaskId, UserId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import { release } from '@funmagic/ledger/reservations'
import { cancelTask } from '@funmagic/task/lifecycle'
import type { Comparison } from './comparison.ts'
import { openEngine, submitBare, type Engine, type WorkerPort } from './engine.ts'
import { poisonPrompt } from './idle-runner.ts'
import { rateOf } from './load.ts'
import type { Setting } from './setting.ts'

const windowMs = 12_000
const concurrency = 5
const latencyMs = 500
const queued = 1_500

// A sixth of the defaults, so that the window has as many deaths as production has in 72 s. A
// worker comes back as soon as it has started. There are as many as production has at most.
const worker = { TASK_LEASE_MS: '5000', WORKER_LOCK_MS: '1667' }
const gateway = { SWEEP_INTERVAL_MS: '833', TASK_WAIT_MAX_SECONDS: '86400' }
const workerPorts = ['providerWorker', 'auth', 'asset', 'credit', 'progress'] as const

/** The tasks of others while one kills each worker that runs it (T11). */
export async function poisonComparisons(setting: Setting): Promise<Comparison[]> {
  const engine = await openEngine(setting)
  const [poisoner, ...others] = await engine.newPayers(5)
  if (poisoner === undefined) throw new Error('there are no users')
  await engine.startGateway(gateway)
  // One for each port.
  const workers = await Promise.all(workerPorts.map(port => keepRunning(engine, port)))
  const topUp = async () => {
    const count = queued - (await countTasks(engine, 'pending'))
    await rateOf({ lanes: others.length, count }, lane => {
      const payer = others[lane] ?? poisoner
      return submitBare(engine.database, engine.tool, payer.userId)
    })
  }
  const poisoned = async () => {
    await topUp()
    const before = deathsOf(workers)
    const { database, tool } = engine
    const taskId = await submitBare(database, tool, poisoner.userId, poisonPrompt)
    const rate = await completionsPerSecond(engine)
    await cancel(engine, { taskId, userId: poisoner.userId })
    // One for each port.
    await Promise.all(workers.map(({ ready }) => ready()))
    const failed = await countTasks(engine, 'failed')
    setting.note(`${deathsOf(workers) - before} workers died; in all, ${failed} others failed`)
    return rate
  }
  const bare = async () => {
    await topUp()
    return completionsPerSecond(engine)
  }
  return [
    {
      title: 'tasks of others beside one that kills its workers',
      unit: 'tasks a second',
      ours: { name: `${workers.length} workers, which are started again`, run: poisoned },
      bare: { name: 'nothing kills them', run: bare },
      bound: { atLeast: 0.8 },
    },
  ]
}

interface KeptWorker {
  readonly deaths: () => number
  readonly ready: () => Promise<void>
}

/** Starts the worker again whenever it was killed, as what runs it in production does. */
async function keepRunning(engine: Engine, port: WorkerPort): Promise<KeptWorker> {
  let deaths = 0
  let ready = start()
  await ready
  return { deaths: () => deaths, ready: () => ready }

  async function start(): Promise<void> {
    const child = await engine.startIdleWorker({ concurrency, latencyMs, port, variables: worker })
    void child.ended.then(({ signal }) => {
      if (signal !== 'SIGKILL') return
      deaths += 1
      ready = start()
    })
  }
}

function deathsOf(workers: readonly KeptWorker[]): number {
  return workers.reduce((sum, { deaths }) => sum + deaths(), 0)
}

async function completionsPerSecond({ database }: Engine): Promise<number> {
  const { rows: before } = await database.query<{ now: Date }>(sql`SELECT now()`)
  await wait(windowMs)
  const { rows } = await database.query<{ rate: number }>(sql`
    SELECT (count(*) / extract(epoch FROM now() - ${before[0]?.now}::timestamptz))::float8 AS rate
    FROM tasks WHERE status = 'completed' AND finished_at >= ${before[0]?.now}
  `)
  return rows[0]?.rate ?? Number.NaN
}

async function countTasks({ database }: Engine, status: 'pending' | 'failed'): Promise<number> {
  const { rows } = await database.query<{ count: number }>(
    sql`SELECT count(*) AS count FROM tasks WHERE status = ${status}::task_status`,
  )
  return rows[0]?.count ?? 0
}

async function cancel(
  { database }: Engine,
  { taskId, userId }: { taskId: TaskId; userId: UserId },
): Promise<void> {
  await inTransaction(database, async tx => {
    const task = await cancelTask(tx, { taskId, userId, whileProcessing: true })
    if (task !== undefined) await release(tx, task.reservationId)
  })
}
