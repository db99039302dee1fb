import type { Comparison } from './comparison.ts'
import { openEngine, type Engine } from './engine.ts'
import { GatewayClient } from './gateway-client.ts'
import { medianMsOf, rateOf } from './load.ts'
import { recordRequest } from './recorded-request.ts'
import type { Setting } from './setting.ts'
import { createRenewal, replay } from './statements.ts'

const lanes = 16
const requestsAlone = 150
const requestsAtOnce = 800

/** A task over HTTP against the SQL of the same request, on a bare pool of as many connections. */
export async function submitComparisons(setting: Setting): Promise<Comparison[]> {
  const engine = await openEngine(setting)
  // Without a gateway that would relay what is recorded there.
  const bare = await openEngine(setting)
  const { database } = bare
  const payers = await engine.newPayers(lanes)
  const [first] = payers
  if (first === undefined) throw new Error('there are no users')
  const payerOf = (lane: number) => payers[lane % lanes] ?? first
  const owners = await bare.newPayers(lanes)
  const [owner = first] = owners
  // A connection each, as many as the pool of the bare way has.
  const url = await engine.startGateway({ DATABASE_POOL_MAX: String(database.pool.options.max) })
  const client = new GatewayClient(url, lanes)
  setting.onClose(() => client[Symbol.dispose]())
  const units = await recordRequest(bare.databaseUrl, owner)
  setting.note(`a request: ${units.flat().length} statements`)
  const renew = createRenewal(units, [owner.userId, ...idsOf(bare.tool)])
  const submit = (lane: number) => client.submit(payerOf(lane))
  const replayFor = (lane: number) => {
    const { userId } = owners[lane % lanes] ?? owner
    return replay(database.pool, renew(new Map([[owner.userId, userId]])))
  }
  const names = { ours: 'POST /api/tasks', bare: 'the same SQL on a pg pool, prepared as ours' }
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

function idsOf({ id, type, config }: Engine['tool']): string[] {
  return [id, type.id, ...config.steps.map(({ providerId }) => providerId)]
}
