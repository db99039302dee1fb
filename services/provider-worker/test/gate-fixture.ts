import type { RateLimit } from '@funmagic/contract/provider-config'
import { createBreaker } from '@funmagic/provider/breaker'
import { openCredentials } from '@funmagic/provider/credentials'
import { recordHealth } from '@funmagic/provider/health'
import { createLimiter, limiterKey } from '@funmagic/provider/limiter'
import { saveProvider } from '@funmagic/provider/providers'
import { createLogger } from '@funmagic/runtime/logger'
import { openRedis } from '@funmagic/runtime/redis'
import type { Test } from 'tap'
import type { Shutdown } from '../src/attempt.ts'
import { createGateEvents } from '../src/gate-events.ts'
import { createGate, type Gate } from '../src/provider-gate.ts'
import { runTask } from '../src/run-task.ts'
import { createRunner, type Runner } from './runner.ts'
import { environment, secretKey, type World } from './worker-world.ts'

const slotLeaseMs = 60_000

/** A runner whose calls go through a real gate, with a clock in the test's hand. */
export async function createGatedRunner(t: Test, limits: RateLimit, redisUrl?: string) {
  const runner = await createRunner(t)
  const clock = { nowMs: Date.now() }
  const providerId = await setLimits(runner, limits)
  const url = redisUrl ?? environment('REDIS_QUEUE_URL')
  const redis = openRedis({ url, role: 'cache', name: 'gate-test', onError: () => undefined })
  t.teardown(() => redis.disconnect())
  const options = { redis, scope: 'web', now: () => clock.nowMs } as const
  const limiter = createLimiter({ ...options, leaseMs: slotLeaseMs })
  const gate = createGate({
    limiter,
    breaker: createBreaker(options),
    announcer: runner.deps.announcer,
    events: createGateEvents(runner.metrics, createLogger('provider-worker', 'silent')),
    keyRefused: account => recordHealth(runner.database, { provider: account, isHealthy: false }),
    slotLeaseMs,
  })
  const run = runnerOf(runner, gate)
  const slots = () => redis.zcard(`${limiterKey('web', providerId)}:sem`)
  return { ...runner, clock, providerId, limiter, gate, run, slots }
}

function runnerOf({ deps }: Runner, gate: Gate): Runner['run'] {
  const shutdown: Shutdown = {
    started: new AbortController().signal,
    expired: new AbortController().signal,
  }
  return (taskId, given = shutdown) => runTask({ ...deps, gate }, taskId, given)
}

/** Gives the provider of the tool `background-remove` these limits; returns its id. */
export async function setLimits(world: World, rateLimit: RateLimit): Promise<string> {
  const [step] = world.tools.fal.config.steps
  if (step === undefined) throw new Error('the tool has no step')
  const { providerId: id } = step
  const baseUrl = world.providers.falUrl
  const fal = { id, name: 'fal', type: 'fal', apiKey: 'a-key', baseUrl } as const
  const credentials = await openCredentials(secretKey)
  await saveProvider(world.database, credentials, { ...fal, config: { rateLimit } })
  return id
}
