import type { Comparison } from './comparison.ts'
import { openEngine, submitBare } from './engine.ts'
import { GatewayClient } from './gateway-client.ts'
import { medianMsOf, rateOf } from './load.ts'
import type { Setting } from './setting.ts'
import { createRenewal, recordStatements, replay } from './statements.ts'

const lanes = 16
const requestsAlone = 150
const requestsAtOnce = 800

/** A task over HTTP against its transaction alone, on a bare pool of as many connections. */
export async function submitComparisons(setting: Setting): Promise<Comparison[]> {
  const engine = await openEngine(setting)
  const { database, databaseUrl, tool } = engine
  const payers = await engine.newPayers(lanes)
  const [first] = payers
  if (first === undefined) throw new Error('there are no users')
  const payerOf = (lane: number) => payers[lane % lanes] ?? first
  // A connection each, as many as the pool of the bare way has.
  const url = await engine.startGateway({ DATABASE_POOL_MAX: String(database.pool.options.max) })
  const client = new GatewayClient(url, lanes)
  setting.onClose(() => client[Symbol.dispose]())
  const units = await recordStatements(databaseUrl, recorder =>
    submitBare(recorder, tool, first.userId),
  )
  const { id: toolId } = tool
  const renew = createRenewal(units, [first.userId, toolId, tool.config.steps[0]?.providerId ?? ''])
  const submit = (lane: number) => client.submit(payerOf(lane))
  const replayFor = (lane: number) =>
    replay(database.pool, renew(new Map([[first.userId, payerOf(lane).userId]])))
  const names = { ours: 'POST /api/tasks', bare: 'the same transaction on a pg pool' }
  return [
    {
      title: 'submit a task, median of one after the other',
      unit: 'ms',
      ours: { name: names.ours, run: () => medianMsOf(requestsAlone, submit) },
      bare: { name: names.bare, run: () => medianMsOf(requestsAlone, replayFor) },
      bound: { atMost: 3 },
    },
    {
      title: `submit tasks, ${lanes} at once`,
      unit: 'tasks/s',
      ours: { name: names.ours, run: () => rateOf({ lanes, count: requestsAtOnce }, submit) },
      bare: { name: names.bare, run: () => rateOf({ lanes, count: requestsAtOnce }, replayFor) },
      bound: { atLeast: 0.5 },
    },
  ]
}
