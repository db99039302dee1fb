import { setTimeout as wait } from 'node:timers/promises'
import { openS3ObjectStore } from '@funmagic/asset/s3-object-store'
import type { Database } from '@funmagic/database/client'
import { createBreaker } from '@funmagic/provider/breaker'
import { openCredentials } from '@funmagic/provider/credentials'
import { createLimiter } from '@funmagic/provider/limiter'
import { createLogger } from '@funmagic/runtime/logger'
import { createMetrics } from '@funmagic/runtime/metrics'
import { openRedis } from '@funmagic/runtime/redis'
import { remember } from '@funmagic/runtime/remember'
import { readSpend, spendLifeMs } from '@funmagic/task/spend'
import { openAccounts } from '../../services/provider-worker/src/accounts.ts'
import { createAnnouncer } from '../../services/provider-worker/src/announce.ts'
import {
  limitsOf,
  timeoutsOf,
  type WorkerConfig,
} from '../../services/provider-worker/src/config.ts'
import { createEvents } from '../../services/provider-worker/src/events.ts'
import { createGateEvents } from '../../services/provider-worker/src/gate-events.ts'
import { createGate } from '../../services/provider-worker/src/provider-gate.ts'
import type { RunTaskDeps } from '../../services/provider-worker/src/run-task.ts'

/** What kills the worker that runs it. */
export const poisonPrompt = 'poison'

export interface IdleParts {
  readonly config: WorkerConfig
  readonly database: Database
  readonly latencyMs: number
  onClose(work: () => unknown): void
}

/** What the worker runs tasks with, but for a provider that makes nothing and takes so long. */
export async function createIdleDeps(parts: IdleParts): Promise<RunTaskDeps> {
  const { config, database, latencyMs } = parts
  const logger = createLogger('idle-worker', config.log.level)
  const metrics = createMetrics('idle-worker')
  const events = createEvents(metrics, logger)
  const openRedisAt = (url: string) => {
    const onError = (error: Error) => logger.error(error)
    const redis = openRedis({ url, role: 'cache', name: 'idle-worker', onError })
    parts.onClose(() => redis.disconnect())
    return redis
  }
  const announcer = createAnnouncer(openRedisAt(config.redisCache.url), events)
  const redis = openRedisAt(config.redisQueue.url)
  const slotLeaseMs = config.providers.slotLeaseSeconds * 1000
  const openAccount = openAccounts({
    database,
    credentials: await openCredentials(config.secretKey),
    timeouts: timeoutsOf(config),
    observe: events.providerAnswered,
  })
  return {
    database,
    store: openS3ObjectStore(config.objects),
    openAccount: async id => ({ ...(await openAccount(id)), provider: idleFor(latencyMs) }),
    spendOf: remember(id => readSpend(database, id), { lifeMs: spendLifeMs }),
    gate: createGate({
      limiter: createLimiter({ redis, scope: 'web', leaseMs: slotLeaseMs }),
      breaker: createBreaker({ redis, scope: 'web' }),
      announcer,
      events: createGateEvents(metrics, logger),
      keyRefused: async () => false,
      slotLeaseMs,
    }),
    announcer,
    events,
    limits: limitsOf(config),
  }
}

function idleFor(latencyMs: number) {
  return {
    outputHosts: [],
    submit: async ({ prompt }: { readonly prompt?: string | undefined }) => {
      if (prompt === poisonPrompt) process.kill(process.pid, 'SIGKILL')
      if (latencyMs > 0) await wait(latencyMs)
      return { kind: 'finished', outputs: [] } as const
    },
    resume: async () => [],
    cancel: async () => undefined,
  }
}
