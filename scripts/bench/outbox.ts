import { sql } from '@funmagic/database/sql'
import { createLogger } from '@funmagic/runtime/logger'
import { createMetrics } from '@funmagic/runtime/metrics'
import { readBacklog } from '@funmagic/task/outbox'
import { TaskQueue } from '@funmagic/task/queue'
import { Redis } from 'ioredis'
import { Dispatcher } from '../../services/task-gateway/src/dispatcher.ts'
import { createEvents } from '../../services/task-gateway/src/events.ts'
import type { Comparison } from './comparison.ts'
import { openEngine, submitBare, type Engine } from './engine.ts'
import { GatewayClient } from './gateway-client.ts'
import { rateOf } from './load.ts'
import type { Setting } from './setting.ts'

const backlog = 10_000
const lanes = 16
const arrivals = 300

/** Ten thousand wake-ups that an outage has left behind, against the rate at which tasks come. */
export async function outboxComparisons(setting: Setting): Promise<Comparison[]> {
  const engine = await openEngine(setting)
  const payers = await engine.newPayers(lanes)
  const [first] = payers
  if (first === undefined) throw new Error('there are no users')
  const payerOf = (lane: number) => payers[lane % lanes] ?? first
  await rateOf({ lanes: 8, count: backlog }, lane =>
    submitBare(engine.database, engine.tool, payerOf(lane).userId),
  )
  setting.note(`${backlog} wake-ups of ${lanes} users wait`)
  const other = await openEngine(setting)
  const others = await other.newPayers(lanes)
  const url = await other.startGateway({ TASK_OPEN_PER_USER_MAX: String(backlog) })
  const client = new GatewayClient(url, lanes)
  setting.onClose(() => client[Symbol.dispose]())
  const submit = async (lane: number) => client.submit(others[lane % lanes] ?? first)
  return [
    {
      title: `a backlog of ${backlog} wake-ups drains`,
      unit: 'tasks/s',
      ours: { name: 'the dispatcher, from the outbox to BullMQ', run: () => drain(engine) },
      bare: {
        name: `tasks that arrive over HTTP, ${lanes} at once`,
        run: () => rateOf({ lanes, count: arrivals }, submit),
      },
      bound: { atLeast: 5 },
    },
  ]
}

/** Puts them back into the outbox first, and empties the queue. */
async function drain({ database, redisUrl }: Engine): Promise<number> {
  await database.query(sql`UPDATE outbox SET sent_at = NULL WHERE sent_at IS NOT NULL`)
  await database.query(sql`
    UPDATE tasks SET virtual_start = NULL, dispatched_at = NULL WHERE virtual_start IS NOT NULL`)
  const redis = new Redis(redisUrl)
  await redis.flushall()
  redis.disconnect()
  const logger = createLogger('dispatcher', 'warn')
  const events = createEvents(createMetrics('bench'), logger)
  const onError = (error: Error) => logger.error(error)
  await using queue = new TaskQueue({ url: `${redisUrl}/0`, connectionName: 'bench', onError })
  const startedAt = performance.now()
  await using dispatcher = new Dispatcher({
    database,
    queue,
    events,
    intervalMs: 500,
    batchSize: 100,
  })
  dispatcher.nudge()
  while ((await readBacklog(database)).unsent > 0) {
    await new Promise(resolve => setTimeout(resolve, lookMs))
  }
  return (backlog * 1000) / (performance.now() - startedAt)
}

const lookMs = 50
