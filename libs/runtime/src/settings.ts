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
  servedBy: Type.Optional(
    setting(
      Type.String({
        pattern: '^[a-z]{1,32}$',
        description: 'Group of this copy, such as stable or beta; sent back as X-Served-By',
      }),
      { env: 'SERVED_BY' },
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

export const ObjectStoreSettings = Type.Object({
  region: setting(Type.String({ minLength: 1, description: 'Region of the buckets' }), {
    env: 'S3_REGION',
  }),
  endpoint: Type.Optional(
    setting(Type.String({ pattern: '^https?://', description: 'S3 address; AWS without it' }), {
      env: 'S3_ENDPOINT',
    }),
  ),
  publicEndpoint: Type.Optional(
    setting(
      Type.String({
        pattern: '^https?://',
        description: 'S3 address as clients reach it, when it is another than S3_ENDPOINT',
      }),
      { env: 'S3_PUBLIC_ENDPOINT' },
    ),
  ),
  accessKey: Type.Optional(
    setting(
      Type.String({ minLength: 1, description: 'Without it, the credentials of the AWS role' }),
      { env: 'S3_ACCESS_KEY' },
    ),
  ),
  secretKey: Type.Optional(
    setting(Type.String({ minLength: 1, description: 'Goes with S3_ACCESS_KEY' }), {
      env: 'S3_SECRET_KEY',
      secret: true,
    }),
  ),
  buckets: Type.Object({
    public: setting(Type.String({ minLength: 3, description: 'Bucket behind CDN_URL' }), {
      env: 'S3_BUCKET_PUBLIC',
    }),
    private: setting(Type.String({ minLength: 3, description: 'Bucket behind PRIVATE_CDN_URL' }), {
      env: 'S3_BUCKET_PRIVATE',
    }),
    admin: setting(Type.String({ minLength: 3, description: 'Bucket behind no CDN' }), {
      env: 'S3_BUCKET_ADMIN',
    }),
  }),
})

export const CdnSettings = Type.Object({
  cdnUrl: setting(
    Type.String({ pattern: '^https?://', description: 'Address of the public distribution' }),
    { env: 'CDN_URL' },
  ),
  privateCdnUrl: setting(
    Type.String({ pattern: '^https?://', description: 'Address of the private distribution' }),
    { env: 'PRIVATE_CDN_URL' },
  ),
  keyPairId: setting(
    Type.String({ minLength: 1, description: 'Id of the public key that CloudFront checks with' }),
    { env: 'CLOUDFRONT_KEY_PAIR_ID' },
  ),
  privateKey: setting(
    Type.String({ minLength: 1, description: 'PEM of the RSA or ECDSA key that signs addresses' }),
    { env: 'CLOUDFRONT_PRIVATE_KEY', secret: true },
  ),
  next: Type.Object({
    keyPairId: Type.Optional(
      setting(Type.String({ description: 'Id of the key that signs next; all three or none' }), {
        env: 'CLOUDFRONT_NEXT_KEY_PAIR_ID',
      }),
    ),
    privateKey: Type.Optional(
      setting(Type.String({ description: 'Its PEM' }), {
        env: 'CLOUDFRONT_NEXT_PRIVATE_KEY',
        secret: true,
      }),
    ),
    activeFrom: Type.Optional(
      setting(Type.String({ description: 'When it takes over, such as 2026-12-01T00:00:00Z' }), {
        env: 'CLOUDFRONT_NEXT_KEY_FROM',
      }),
    ),
  }),
  hash: setting(
    Type.Union([Type.Literal('SHA1'), Type.Literal('SHA256')], {
      default: 'SHA1',
      description: 'Digest that signatures are made over',
    }),
    { env: 'CLOUDFRONT_HASH' },
  ),
  windowSeconds: setting(
    Type.Integer({
      minimum: 0,
      maximum: 600,
      default: 300,
      description: 'How long a signed address stays the same',
    }),
    { env: 'SIGNED_URL_WINDOW_SECONDS' },
  ),
})

/** The session cookie (decision 15): every service that asks who is calling reads the same one. */
export const SessionCookieSettings = Type.Object({
  secure: setting(
    Type.Boolean({ default: true, description: 'False only for plain HTTP on a laptop' }),
    { env: 'COOKIE_SECURE' },
  ),
  domain: Type.Optional(
    setting(
      Type.String({ minLength: 1, description: 'Set for a cookie that spans its subdomains' }),
      { env: 'COOKIE_DOMAIN' },
    ),
  ),
})

export const galleryCookieDomain = Type.Optional(
  setting(
    Type.String({
      minLength: 1,
      description: 'Domain of the API and the private CDN, for signed cookies; none without it',
    }),
    { env: 'GALLERY_COOKIE_DOMAIN' },
  ),
)

export const LimitSettings = Type.Object({
  profile: setting(
    Type.Union([Type.Literal('production'), Type.Literal('development')], {
      default: 'production',
      description: 'Rate limits as they are stored, or a thousandfold for development',
    }),
    { env: 'RATE_LIMIT_PROFILE' },
  ),
})
