import Type, { type Static } from 'typebox'
import { setting } from './config.ts'

/** The groups of settings that several services share; each service composes its own schema. */
export const HttpSettings = Type.Object({
  host: setting(Type.String({ default: '127.0.0.1', description: 'Address to listen on' }), {
    env: 'HOST',
  }),
  port: setting(Type.Integer({ minimum: 0, maximum: 65_535, description: 'Port to listen on' }), {
    env: 'PORT',
  }),
  allowedOrigins: setting(
    Type.Array(Type.String(), {
      default: [],
      description: 'Origins of the web clients, besides the API’s own',
    }),
    { env: 'ALLOWED_ORIGINS' },
  ),
  trustedProxies: setting(
    Type.Array(Type.String(), {
      default: ['127.0.0.0/8', '::1/128'],
      description: 'CIDR blocks whose X-Forwarded-For is believed',
    }),
    { env: 'TRUSTED_PROXIES' },
  ),
  metricsAuthToken: Type.Optional(
    setting(
      Type.String({ minLength: 16, description: 'Bearer token for /metrics; open without it' }),
      { env: 'METRICS_AUTH_TOKEN', secret: true },
    ),
  ),
  drainMs: setting(
    Type.Integer({
      minimum: 0,
      maximum: 60_000,
      default: 5_000,
      description: 'After SIGTERM: time in which the load balancer notices and sends no more',
    }),
    { env: 'DRAIN_MS' },
  ),
})
export type HttpSettings = Static<typeof HttpSettings>

export const LogSettings = Type.Object({
  level: setting(
    Type.Union(
      [
        Type.Literal('trace'),
        Type.Literal('debug'),
        Type.Literal('info'),
        Type.Literal('warn'),
        Type.Literal('error'),
        Type.Literal('fatal'),
        Type.Literal('silent'),
      ],
      { default: 'info', description: 'Least level that is logged' },
    ),
    { env: 'LOG_LEVEL' },
  ),
})

export const DatabaseSettings = Type.Object({
  url: setting(
    Type.String({ pattern: '^postgres(ql)?://', description: 'postgres://… of the writer' }),
    { env: 'DATABASE_URL', secret: true },
  ),
  poolMax: setting(
    Type.Integer({ minimum: 2, maximum: 100, default: 5, description: 'Connections at most' }),
    { env: 'DATABASE_POOL_MAX' },
  ),
})

export const RedisCacheSettings = Type.Object({
  url: setting(
    Type.String({
      pattern: '^rediss?://',
      description: 'redis://… for sessions, rate limits and progress streams',
    }),
    { env: 'REDIS_CACHE_URL', secret: true },
  ),
})

export const RedisQueueSettings = Type.Object({
  url: setting(
    Type.String({ pattern: '^rediss?://', description: 'redis://… for BullMQ; noeviction' }),
    { env: 'REDIS_QUEUE_URL', secret: true },
  ),
})
