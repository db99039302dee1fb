import { setTimeout as wait } from 'node:timers/promises'
import { sql } from '@funmagic/database/sql'
import { readBacklog } from '@funmagic/task/outbox'
import type { Comparison } from './comparison.ts'
import { openEngine, submitBare, type Engine, type Payer } from './engine.ts'
import { GatewayClient } from './gateway-client.ts'
import { medianMsOf, rateOf } from './load.ts'
import type { Setting } from './setting.ts'

const queued = 10_000
const concurrency = 10
const latencyMs = 500
const submissions = 5
const waitSeconds = 30
const lookMs = 100

/** The first task of somebody who comes while another has ten thousand in the queue (L8). */
export async function fairnessComparisons(setting: Setting): Promise<Comparison[]> {
  const alone = await openSite(setting)
  const crowded = await openSite(setting, { backlog: queued })
  return [
    {
      title: `a task behind ${queued} of another user, from the request to its end`,
      unit: 'ms',
      ours: {
        name: `${concurrency} at once, the provider takes ${latencyMs} ms`,
        run: () => medianMsOf(submissions, crowded.submit),
      },
      bare: { name: 'nobody else', run: () => medianMsOf(submissions, alone.submit) },
      bound: { atMost: 3 },
    },
    {
      title: `tasks that are begun before it`,
      unit: 'tasks',
      ours: { name: `${queued} of another user wait`, run: () => countBefore(crowded) },
      bare: { name: 'the worker runs so many at once', run: async () => concurrency },
      bound: { atMost: 3 },
    },
  ]
}

interface Site {
  readonly engine: Engine
  readonly submit: () => Promise<{ id: string; status: string }>
}

/** A gateway and a worker; with a backlog, that of another user is in the queue before. */
async function openSite(setting: Setting, { backlog = 0 } = {}): Promise<Site> {
  const engine = await openEngine(setting)
  const [owner, guest] = await engine.newPayers(2)
  if (owner === undefined || guest === undefined) throw new Error('there are no users')
  await rateOf({ lanes: 8, count: backlog }, () =>
    submitBare(engine.database, engine.tool, owner.userId),
  )
  const url = await engine.startGateway({ TASK_WAIT_MAX_SECONDS: '86400' })
  while ((await readBacklog(engine.database)).unsent > 0) await wait(lookMs)
  await engine.startIdleWorker({ concurrency, latencyMs })
  return { engine, submit: submitFor(setting, url, guest) }
}

function submitFor(setting: Setting, url: string, payer: Payer): Site['submit'] {
  const client = new GatewayClient(url, 1)
  setting.onClose(() => client[Symbol.dispose]())
  return async () => {
    const task = await client.submit(payer, waitSeconds)
    if (task.status !== 'completed') throw new Error(`the task is ${task.status}`)
    return task
  }
}

async function countBefore({ engine, submit }: Site): Promise<number> {
  const { id } = await submit()
  const { rows } = await engine.database.query<{ before: number }>(sql`
    SELECT count(other.id) AS before FROM tasks mine
    LEFT JOIN tasks other ON other.id <> mine.id
      AND other.started_at BETWEEN mine.created_at AND mine.started_at
    WHERE mine.id = ${id}
  `)
  return rows[0]?.before ?? Number.NaN
}
