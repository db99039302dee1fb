import { startProviders } from '@funmagic/simulators/providers'
import { Redis } from 'ioredis'
import type { Comparison } from './comparison.ts'
import { openEngine, type Engine } from './engine.ts'
import { GatewayClient } from './gateway-client.ts'
import type { Setting } from './setting.ts'
import { untilDone } from './tasks.ts'

const tasks = 100
const lanes = 16
const always = 1_000_000

/** How often a provider that answers nothing but 503 is asked for each task (L13). */
export async function outageComparisons(setting: Setting): Promise<Comparison[]> {
  const providers = await startProviders({ latencyMs: 0 })
  setting.onClose(() => providers[Symbol.asyncDispose]())
  providers.script({ provider: 'openai', operation: 'submit', mode: '503', times: always })
  const engine = await openEngine(setting, providers.openaiUrl)
  const payers = await engine.newPayers(lanes)
  // So that a task gives up within seconds: the waits between its tries are shorter as well.
  const url = await engine.startGateway({
    TASK_STEP_TIMEOUT_SECONDS: '10',
    TASK_QUEUE_ALLOWANCE_SECONDS: '10',
    SWEEP_INTERVAL_MS: '500',
    TASK_PROVIDER_DOWN_SECONDS: '3600',
  })
  await engine.startWorker({ TASK_RETRY_DELAY_MS: '500', WORKER_CONCURRENCY: '10' })
  const client = new GatewayClient(url, lanes)
  setting.onClose(() => client[Symbol.dispose]())
  const run = async () => {
    await closeBreaker(engine)
    const before = providers.calls().providers.openai.attempts
    // One for each task.
    await Promise.all(
      Array.from({ length: tasks }, async (_, place) => {
        const payer = payers[place % lanes]
        if (payer !== undefined) await client.submit(payer)
      }),
    )
    await untilDone(engine)
    return providers.calls().providers.openai.attempts - before
  }
  return [
    {
      title: 'calls to a provider that is down',
      unit: 'calls',
      ours: { name: `until ${tasks} tasks have been given up`, run },
      bare: { name: 'one for each task', run: async () => tasks },
      bound: { atMost: 1.1 },
    },
  ]
}

/** Nobody knows yet that the provider is down. No task is open: the queue loses nothing. */
async function closeBreaker({ redisUrl }: Engine): Promise<void> {
  const redis = new Redis(redisUrl)
  await redis.flushall()
  redis.disconnect()
}
