import { outputBytesMax } from '@funmagic/asset/ingest'
import { setting } from '@funmagic/runtime/config'
import {
  DatabaseSettings,
  HttpSettings,
  LogSettings,
  ObjectStoreSettings,
  RedisCacheSettings,
  RedisQueueSettings,
} from '@funmagic/runtime/settings'
import Type, { type Static } from 'typebox'
import type { ProviderTimeouts } from './providers/account.ts'
import type { TaskLimits } from './run-task.ts'

const { host, metricsAuthToken } = HttpSettings.properties

/** Health and metrics alone: nobody is routed here, so there is nothing to allow or to drain. */
const ProbeSettings = Type.Object({
  host,
  port: setting(
    Type.Integer({
      minimum: 0,
      maximum: 65_535,
      default: 9090,
      description: 'Port of the health checks and metrics',
    }),
    { env: 'PORT' },
  ),
  metricsAuthToken,
})

const QueueSettings = Type.Object({
  concurrency: setting(
    Type.Integer({ minimum: 1, maximum: 100, default: 5, description: 'Tasks run at once' }),
    { env: 'WORKER_CONCURRENCY' },
  ),
  lockMs: setting(
    Type.Integer({
      minimum: 500,
      maximum: 60_000,
      default: 10_000,
      description: 'Without a sign of life for so long a wake-up is given to another worker',
    }),
    { env: 'WORKER_LOCK_MS' },
  ),
  wedgedAfterMs: setting(
    Type.Integer({
      minimum: 10_000,
      maximum: 600_000,
      default: 60_000,
      description:
        'Without asking the queue for so long, idle, the worker is unhealthy and ends itself',
    }),
    { env: 'WORKER_WEDGED_AFTER_MS' },
  ),
  graceMs: setting(
    Type.Integer({
      minimum: 0,
      maximum: 18_000,
      default: 15_000,
      description: 'After SIGTERM: time for what no other worker could go on with',
    }),
    { env: 'WORKER_GRACE_MS' },
  ),
})

const TaskSettings = Type.Object({
  leaseMs: setting(
    Type.Integer({
      minimum: 500,
      maximum: 300_000,
      default: 30_000,
      description: 'Without a sign of life for so long another worker takes a task up',
    }),
    { env: 'TASK_LEASE_MS' },
  ),
  stepDefaultSeconds: setting(
    Type.Integer({
      minimum: 1,
      maximum: 3_600,
      default: 300,
      description: 'Time to run for a step that names none',
    }),
    { env: 'TASK_STEP_TIMEOUT_SECONDS' },
  ),
  retriesMax: setting(
    Type.Integer({
      minimum: 0,
      maximum: 10,
      default: 3,
      description: 'Further tries after failures that may pass',
    }),
    { env: 'TASK_RETRIES_MAX' },
  ),
  rateLimitsMax: setting(
    Type.Integer({
      minimum: 0,
      maximum: 100,
      default: 10,
      description: 'Further tries after a provider answered with 429',
    }),
    { env: 'TASK_RATE_LIMITS_MAX' },
  ),
  retryDelayMs: setting(
    Type.Integer({
      minimum: 1,
      maximum: 60_000,
      default: 1_000,
      description: 'Before the first further try; it doubles with each',
    }),
    { env: 'TASK_RETRY_DELAY_MS' },
  ),
  retryDelayMaxMs: setting(
    Type.Integer({
      minimum: 1,
      maximum: 600_000,
      default: 60_000,
      description: 'The longest delay, unless the provider asks for a longer one',
    }),
    { env: 'TASK_RETRY_DELAY_MAX_MS' },
  ),
  progressIntervalMs: setting(
    Type.Integer({
      minimum: 10,
      maximum: 60_000,
      default: 1_000,
      description: 'Progress is written and told this often at most',
    }),
    { env: 'TASK_PROGRESS_INTERVAL_MS' },
  ),
})

const ProviderSettings = Type.Object({
  submitTimeoutMs: setting(
    Type.Integer({
      minimum: 100,
      maximum: 300_000,
      default: 30_000,
      description: 'For one upload or submission',
    }),
    { env: 'PROVIDER_SUBMIT_TIMEOUT_MS' },
  ),
  pollTimeoutMs: setting(
    Type.Integer({
      minimum: 100,
      maximum: 60_000,
      default: 10_000,
      description: 'For one question about a submitted call',
    }),
    { env: 'PROVIDER_POLL_TIMEOUT_MS' },
  ),
  pollIntervalMs: setting(
    Type.Integer({
      minimum: 10,
      maximum: 60_000,
      default: 1_000,
      description: 'Between two questions about a submitted call',
    }),
    { env: 'PROVIDER_POLL_INTERVAL_MS' },
  ),
  callbackUrl: setting(
    Type.Optional(
      Type.String({
        pattern: '^https?://[^/?#]+/?$',
        description: 'Where providers may call back; without it they are only asked',
      }),
    ),
    { env: 'PROVIDER_CALLBACK_URL' },
  ),
  outputTimeoutMs: setting(
    Type.Integer({
      minimum: 100,
      maximum: 600_000,
      default: 60_000,
      description: 'For fetching one output',
    }),
    { env: 'PROVIDER_OUTPUT_TIMEOUT_MS' },
  ),
  healthIntervalSeconds: setting(
    Type.Integer({
      minimum: 5,
      maximum: 3_600,
      default: 60,
      description: 'How often a provider is asked whether it accepts our key',
    }),
    { env: 'PROVIDER_HEALTH_INTERVAL_SECONDS' },
  ),
  slotLeaseSeconds: setting(
    Type.Integer({
      minimum: 5,
      maximum: 600,
      default: 120,
      description: 'Without a renewal for so long a slot at a provider is free again',
    }),
    { env: 'PROVIDER_SLOT_LEASE_SECONDS' },
  ),
})

export const WorkerConfig = Type.Object({
  http: ProbeSettings,
  log: LogSettings,
  database: DatabaseSettings,
  redisCache: RedisCacheSettings,
  redisQueue: RedisQueueSettings,
  objects: ObjectStoreSettings,
  secretKey: setting(
    Type.String({ minLength: 32, description: 'Opens the keys of the providers' }),
    { env: 'SECRET_KEY', secret: true },
  ),
  previousSecretKey: setting(
    Type.Optional(
      Type.String({ minLength: 32, description: 'The SECRET_KEY before, while keys are resealed' }),
    ),
    { env: 'SECRET_KEY_PREVIOUS', secret: true },
  ),
  queue: QueueSettings,
  tasks: TaskSettings,
  providers: ProviderSettings,
})
export type WorkerConfig = Static<typeof WorkerConfig>

const inputBytesMax = 50 * 1024 * 1024
const cancelTimeoutMs = 5_000

export function timeoutsOf({ providers }: WorkerConfig): ProviderTimeouts {
  return {
    submitMs: providers.submitTimeoutMs,
    pollMs: providers.pollTimeoutMs,
    pollIntervalMs: providers.pollIntervalMs,
  }
}

export function healthTimesOf({ providers }: WorkerConfig) {
  const intervalMs = providers.healthIntervalSeconds * 1000
  return { intervalMs, timeoutMs: providers.pollTimeoutMs }
}

export function limitsOf({ tasks, providers }: WorkerConfig): TaskLimits {
  return {
    leaseMs: tasks.leaseMs,
    stepTimeoutMs: tasks.stepDefaultSeconds * 1000,
    cancelTimeoutMs,
    progressIntervalMs: tasks.progressIntervalMs,
    inputBytesMax,
    outputBytesMax,
    outputTimeoutMs: providers.outputTimeoutMs,
    retry: {
      retriesMax: tasks.retriesMax,
      rateLimitsMax: tasks.rateLimitsMax,
      baseDelayMs: tasks.retryDelayMs,
      delayMaxMs: tasks.retryDelayMaxMs,
    },
  }
}
