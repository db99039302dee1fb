import { setTimeout as wait } from 'node:timers/promises'
import { sql } from '@funmagic/database/sql'
import { median, type Comparison } from './comparison.ts'
import { openEngine, type Engine } from './engine.ts'
import { GatewayClient } from './gateway-client.ts'
import type { Setting } from './setting.ts'
import { untilDone } from './tasks.ts'

const concurrency = 10
const latencyMs = 1_000
const tasksIdle = 5
const tasksBusy = 60
const utilisation = 0.8
const providerMs = 10_000
const lanes = 16

/** What a task takes beside its provider: alone, and with a worker that is busy (L7). */
export async function overheadComparisons(setting: Setting): Promise<Comparison[]> {
  const engine = await openEngine(setting)
  const payers = await engine.newPayers(lanes)
  const url = await engine.startGateway()
  await engine.startIdleWorker({ concurrency, latencyMs })
  const client = new GatewayClient(url, lanes)
  setting.onClose(() => client[Symbol.dispose]())
  const submit = async (place: number) => {
    const payer = payers[place % lanes]
    if (payer !== undefined) await client.submit(payer)
  }
  const idle = () =>
    overheadOf(engine, async () => {
      for (let place = 0; place < tasksIdle; place++) {
        await submit(place)
        await untilDone(engine)
      }
    })
  const busy = () => overheadOf(engine, () => submitSteadily(submit))
  const percent = utilisation * 100
  return [
    {
      title: `overhead of a task with workers used to ${percent} %`,
      unit: 'ms',
      ours: { name: `${concurrency} at once, the provider takes ${latencyMs} ms`, run: busy },
      bare: { name: 'one task after the other', run: idle },
      bound: { atMost: 10 },
    },
    {
      title: 'overhead of a task against a provider of 10 s',
      unit: 'ms',
      ours: { name: 'from its record to its end, without the provider', run: idle },
      bare: { name: 'the provider', run: async () => providerMs },
      bound: { atMost: 0.1 },
    },
  ]
}

/** At random moments, as people do, and as many as keep the workers busy for that part. */
async function submitSteadily(submit: (place: number) => Promise<void>): Promise<void> {
  const meanMs = latencyMs / (concurrency * utilisation)
  const sent: Promise<void>[] = []
  for (let place = 0; place < tasksBusy; place++) {
    sent.push(submit(place))
    await wait(-Math.log(1 - Math.random()) * meanMs)
  }
  // As many as there are tasks.
  await Promise.all(sent)
}

async function overheadOf({ database }: Engine, work: () => Promise<unknown>): Promise<number> {
  const { rows: before } = await database.query<{ now: Date }>(sql`SELECT now()`)
  await work()
  await untilDone({ database })
  const { rows } = await database.query<{ ms: number }>(sql`
    SELECT extract(epoch FROM finished_at - created_at)::float8 * 1000 AS ms
    FROM tasks WHERE created_at >= ${before[0]?.now}
  `)
  return median(rows.map(({ ms }) => ms - latencyMs))
}
