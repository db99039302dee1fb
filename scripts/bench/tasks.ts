import { setTimeout as wait } from 'node:timers/promises'
import { sql } from '@funmagic/database/sql'
import type { Comparison } from './comparison.ts'
import { openEngine, type Engine } from './engine.ts'
import { GatewayClient } from './gateway-client.ts'
import { openJobs } from './jobs.ts'
import { rateOf } from './load.ts'
import { recordLife } from './recorded-life.ts'
import type { Setting } from './setting.ts'
import { replay } from './statements.ts'

const concurrency = 10
const lanes = 16
const count = 300

/** Tasks that cost their provider nothing, from the request to their end, against bare queues. */
export async function taskComparisons(setting: Setting): Promise<Comparison[]> {
  const engine = await openEngine(setting)
  const payers = await engine.newPayers(lanes)
  const [first] = payers
  if (first === undefined) throw new Error('there are no users')
  const payerOf = (lane: number) => payers[lane % lanes] ?? first
  const life = await recordLife(setting, engine, first)
  const { submission, work } = life.first
  setting.note(`a task: ${submission.flat().length} statements, then ${work.flat().length}`)
  const url = await engine.startGateway()
  await engine.startIdleWorker({ concurrency, latencyMs: 0 })
  const client = new GatewayClient(url, lanes)
  setting.onClose(() => client[Symbol.dispose]())
  const { pool } = engine.database
  const jobs = (name: string) => openJobs(setting, engine.redisUrl, { name, lanes, concurrency })
  const [empty, same] = [jobs('bench-empty'), jobs('bench-same')]
  const nothing = async () => undefined
  const submitSame = async (lane: number) => {
    const { submission, work } = life.of(payerOf(lane).userId)
    await replay(pool, submission)
    return () => replay(pool, work)
  }
  const common = {
    unit: 'tasks/s',
    ours: {
      name: `POST /api/tasks until completed, ${concurrency} at once`,
      run: () => runOurs(engine, lane => client.submit(payerOf(lane))),
    },
    bound: { atLeast: 0.5 },
  }
  return [
    {
      ...common,
      title: 'tasks end to end, against the same statements in BullMQ jobs',
      bare: {
        name: `BullMQ, jobs that send the same statements, ${concurrency} at once`,
        run: () => same(count, submitSame),
      },
    },
    {
      ...common,
      title: 'tasks end to end, against BullMQ jobs that do nothing',
      bare: {
        name: `BullMQ, add and process, ${concurrency} at once`,
        run: () => empty(count, async () => nothing),
      },
    },
  ]
}

async function runOurs(engine: Engine, submit: (lane: number) => Promise<unknown>) {
  const startedAt = performance.now()
  await rateOf({ lanes, count }, submit)
  await untilDone(engine)
  return (count * 1000) / (performance.now() - startedAt)
}

const lookMs = 10

/** Waits until no task is open. */
export async function untilDone({ database }: Pick<Engine, 'database'>): Promise<void> {
  const isOpen = sql`SELECT 1 AS open FROM tasks WHERE status IN ('pending', 'processing') LIMIT 1`
  while ((await database.query(isOpen)).rows.length > 0) await wait(lookMs)
}
