import { relayOutbox } from '@funmagic/task/outbox'
import type { Comparison } from './comparison.ts'
import { openEngine, type Engine, type Payer } from './engine.ts'
import { GatewayClient } from './gateway-client.ts'
import { medianMsOf, rateOf } from './load.ts'
import { recordRequest } from './recorded-request.ts'
import type { Setting } from './setting.ts'
import { createRenewal, replay } from './statements.ts'

/** Nobody has more open tasks than somebody has. */
const users = 160
const lanes = 16
const requestsAlone = 150
// A gateway runs for days: the turn that warms up is long enough for its code to be compiled.
const requestsAtOnce = 3_000
/** What the dispatcher finds when it looks, at the rate of the bench. */
const batchSize = 32

/**
 * A task over HTTP against the SQL of the same request, on a bare pool of as many connections. At
 * the same time our dispatcher sends the wake-ups to the queue; so does the bare way send its SQL.
 */
export async function submitComparisons(setting: Setting): Promise<Comparison[]> {
  const engine = await openEngine(setting)
  // Without a gateway that would relay what is recorded there.
  const bare = await openEngine(setting)
  const { database } = bare
  const nextPayer = inTurn(await engine.newPayers(users))
  // A connection each, as many as the pool of the bare way has.
  const url = await engine.startGateway({ DATABASE_POOL_MAX: String(database.pool.options.max) })
  const client = new GatewayClient(url, lanes)
  setting.onClose(() => client[Symbol.dispose]())
  const submit = () => client.submit(nextPayer())
  const replayOnce = await createReplay(setting, bare)
  const names = { ours: 'POST /api/tasks', bare: 'the same SQL on a pg pool, prepared as ours' }
  return [
    {
      title: 'submit a task, median of one after the other',
      unit: 'ms',
      ours: { name: names.ours, run: () => medianMsOf(requestsAlone, submit) },
      bare: { name: names.bare, run: () => medianMsOf(requestsAlone, replayOnce) },
      bound: { atMost: 3 },
    },
    {
      title: `submit tasks, ${lanes} at once`,
      unit: 'tasks/s',
      ours: { name: names.ours, run: () => rateOf({ lanes, count: requestsAtOnce }, submit) },
      bare: { name: names.bare, run: () => rateOf({ lanes, count: requestsAtOnce }, replayOnce) },
      bound: { atLeast: 0.5 },
    },
  ]
}

/** Does to the database what one submission does, and what the dispatcher does for many. */
async function createReplay(setting: Setting, bare: Engine): Promise<() => Promise<void>> {
  const { database } = bare
  const nextOwner = inTurn(await bare.newPayers(users))
  const recorded = nextOwner()
  const units = await recordRequest(bare.databaseUrl, recorded)
  setting.note(`a request: ${units.flat().length} statements`)
  const renew = createRenewal(units, [recorded.userId, ...idsOf(bare.tool)])
  let submitted = 0
  return async () => {
    await replay(database.pool, renew(new Map([[recorded.userId, nextOwner().userId]])))
    submitted += 1
    if (submitted % batchSize === 0)
      await relayOutbox(database, async () => undefined, { batchSize })
  }
}

function inTurn(payers: readonly Payer[]): () => Payer {
  let turn = 0
  return () => {
    const payer = payers[turn++ % payers.length]
    if (payer === undefined) throw new Error('there are no users')
    return payer
  }
}

function idsOf({ id, type, config }: Engine['tool']): string[] {
  return [id, type.id, ...config.steps.map(({ providerId }) => providerId)]
}
