import { setTimeout as wait } from 'node:timers/promises'
import { sql } from '@funmagic/database/sql'
import type { Comparison, Way } from './comparison.ts'
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
  // Its own database: the workers of the other would take up the tasks that the bare ways record.
  const bare = await openEngine(setting)
  const owners = await bare.newPayers(lanes)
  const [owner = first] = owners
  const life = await recordLife(setting, bare, owner)
  const lifeOf = (lane: number) => life.of((owners[lane % lanes] ?? owner).userId)
  const { submission, work } = life.first
  setting.note(`a task: ${submission.flat().length} statements, then ${work.flat().length}`)
  const url = await engine.startGateway()
  await engine.startIdleWorker({ concurrency, latencyMs: 0 })
  const client = new GatewayClient(url, lanes)
  setting.onClose(() => client[Symbol.dispose]())
  const { pool } = bare.database
  const jobs = (name: string) => openJobs(setting, engine.redisUrl, { name, lanes, concurrency })
  const [empty, same] = [jobs('bench-empty'), jobs('bench-same')]
  const nothing = async () => undefined
  const submitSame = async (lane: number) => {
    const { submission, work } = lifeOf(lane)
    await replay(pool, submission)
    return () => replay(pool, work)
  }
  const floorOf = (lane: number) => {
    const { submission, work } = lifeOf(lane)
    return replay(pool, [...submission, ...work])
  }
  const floor = {
    name: `the SQL of a task alone, on a pg pool, ${lanes} at once`,
    run: () => rateOf({ lanes, count }, floorOf),
  }
  const emptyJobs = {
    name: `BullMQ, add and process, ${concurrency} at once`,
    run: () => empty(count, async () => nothing),
  }
  const ours = {
    name: `POST /api/tasks until completed, ${concurrency} at once`,
    run: () => runOurs(engine, lane => client.submit(payerOf(lane))),
  }
  const sameJobs = {
    name: `BullMQ, jobs that send the same statements, ${concurrency} at once`,
    run: () => same(count, submitSame),
  }
  return compareAll({ ours, sameJobs, floor, emptyJobs })
}

type WayName = 'ours' | 'sameJobs' | 'floor' | 'emptyJobs'

function compareAll({ ours, sameJobs, floor, emptyJobs }: Record<WayName, Way>): Comparison[] {
  const title = 'tasks end to end, against'
  const unit = 'tasks/s'
  return [
    {
      title: `${title} the same statements in BullMQ jobs`,
      unit,
      ours,
      bare: sameJobs,
      bound: { atLeast: 0.5 },
    },
    { title: `${title} their own SQL alone`, unit, ours, bare: floor, bound: 'none' },
    { title: `${title} BullMQ jobs that do nothing`, unit, ours, bare: emptyJobs, bound: 'none' },
    {
      title: 'the SQL of tasks alone, against BullMQ jobs that do nothing',
      unit,
      ours: floor,
      bare: emptyJobs,
      // No task is faster than its SQL. Beyond this, half the rate of empty jobs can be asked for.
      bound: { atMost: 0.5 },
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
