import { setting } from '@funmagic/runtime/config'
import {
  CdnSettings,
  DatabaseSettings,
  HttpSettings,
  LimitSettings,
  LogSettings,
  RedisCacheSettings,
  RedisQueueSettings,
  SessionCookieSettings,
} from '@funmagic/runtime/settings'
import Type, { type Static } from 'typebox'

const TaskSettings = Type.Object({
  stepDefaultSeconds: setting(
    Type.Integer({
      minimum: 5,
      maximum: 3600,
      default: 300,
      description: 'Time to run for a step that names none',
    }),
    { env: 'TASK_STEP_TIMEOUT_SECONDS' },
  ),
  queueAllowanceSeconds: setting(
    Type.Integer({
      minimum: 0,
      maximum: 86_400,
      default: 600,
      description: 'Time that a task may spend in the queue besides',
    }),
    { env: 'TASK_QUEUE_ALLOWANCE_SECONDS' },
  ),
  providerDownSeconds: setting(
    Type.Integer({
      minimum: 0,
      maximum: 3_600,
      default: 60,
      description: 'So long a provider may be down until new tasks for it are refused',
    }),
    { env: 'TASK_PROVIDER_DOWN_SECONDS' },
  ),
  waitingMax: setting(
    Type.Integer({
      minimum: 1,
      maximum: 10_000_000,
      default: 50_000,
      description: 'With so many tasks waiting for a worker no more are taken, nor charged',
    }),
    { env: 'TASK_WAITING_MAX' },
  ),
  waitMaxSeconds: setting(
    Type.Integer({
      minimum: 1,
      maximum: 86_400,
      default: 540,
      description: 'Nor while the oldest of them has been waiting for so long',
    }),
    { env: 'TASK_WAIT_MAX_SECONDS' },
  ),
  openPerUserMax: setting(
    Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      default: 10_000,
      description: 'Unfinished tasks of one user',
    }),
    { env: 'TASK_OPEN_PER_USER_MAX' },
  ),
  waitsMax: setting(
    Type.Integer({
      minimum: 0,
      maximum: 10_000,
      default: 200,
      description: 'Requests with Prefer: wait that wait at once; the ones beyond do not wait',
    }),
    { env: 'TASK_WAITS_MAX' },
  ),
})

const DispatchSettings = Type.Object({
  intervalMs: setting(
    Type.Integer({
      minimum: 50,
      maximum: 10_000,
      default: 500,
      description: 'How often the outbox is read without a nudge',
    }),
    { env: 'DISPATCH_INTERVAL_MS' },
  ),
  batchSize: setting(
    Type.Integer({
      minimum: 1,
      maximum: 500,
      default: 100,
      description: 'Wake-ups sent to the queue at once',
    }),
    { env: 'DISPATCH_BATCH_SIZE' },
  ),
})

const SweepSettings = Type.Object({
  intervalMs: setting(
    Type.Integer({
      minimum: 100,
      maximum: 60_000,
      default: 5_000,
      description: 'How often tasks are looked for that nobody brings to an end',
    }),
    { env: 'SWEEP_INTERVAL_MS' },
  ),
  rescuesMax: setting(
    Type.Integer({
      minimum: 0,
      maximum: 20,
      default: 2,
      description: 'How often a task may lose its worker before it is given up',
    }),
    { env: 'TASK_RESCUES_MAX' },
  ),
  redispatchAfterSeconds: setting(
    Type.Integer({
      minimum: 1,
      maximum: 3_600,
      default: 60,
      description: 'A wake-up that no worker followed for so long is repeated',
    }),
    { env: 'REDISPATCH_AFTER_SECONDS' },
  ),
  outboxKeepSeconds: setting(
    Type.Integer({
      minimum: 0,
      maximum: 604_800,
      default: 3_600,
      description: 'How long a wake-up is kept after it was sent',
    }),
    { env: 'OUTBOX_KEEP_SECONDS' },
  ),
})

const WebhookSettings = Type.Object({
  falJwksUrl: setting(
    Type.Optional(
      Type.String({
        pattern: '^https?://',
        description: 'Keys of fal’s webhooks: https://rest.fal.ai/.well-known/jwks.json',
      }),
    ),
    { env: 'FAL_WEBHOOK_JWKS_URL' },
  ),
  replicateSecret: setting(
    Type.Optional(Type.String({ minLength: 16, description: 'Signs Replicate’s webhooks' })),
    { env: 'REPLICATE_WEBHOOK_SECRET', secret: true },
  ),
  openaiSecret: setting(
    Type.Optional(Type.String({ minLength: 16, description: 'Signs OpenAI’s webhooks' })),
    { env: 'OPENAI_WEBHOOK_SECRET', secret: true },
  ),
})

export const GatewayConfig = Type.Object({
  http: HttpSettings,
  log: LogSettings,
  database: DatabaseSettings,
  redisCache: RedisCacheSettings,
  redisQueue: RedisQueueSettings,
  cookie: SessionCookieSettings,
  limits: LimitSettings,
  cdn: CdnSettings,
  secretKey: setting(
    Type.String({
      minLength: 32,
      description: 'Seals the keys of the providers, and signs quotes',
    }),
    { env: 'SECRET_KEY', secret: true },
  ),
  simulatorsUrl: Type.Optional(
    setting(
      Type.String({
        pattern: '^https?://',
        description: 'Origin that a provider may have besides public https: the simulators’',
      }),
      { env: 'PROVIDER_SIMULATORS_URL' },
    ),
  ),
  tasks: TaskSettings,
  webhooks: WebhookSettings,
  dispatch: DispatchSettings,
  sweep: SweepSettings,
  sampleIntervalMs: setting(
    Type.Integer({
      minimum: 1_000,
      maximum: 300_000,
      default: 30_000,
      description: 'How often the queue is counted for the metrics',
    }),
    { env: 'QUEUE_SAMPLE_INTERVAL_MS' },
  ),
})
export type GatewayConfig = Static<typeof GatewayConfig>
