import { setting } from '@funmagic/runtime/config'
import {
  DatabaseSettings,
  HttpSettings,
  LimitSettings,
  LogSettings,
  RedisCacheSettings,
  SessionCookieSettings,
} from '@funmagic/runtime/settings'
import Type from 'typebox'

const StreamSettings = Type.Object({
  perUserMax: setting(
    Type.Integer({ minimum: 1, maximum: 1000, default: 20, description: 'Open streams of a user' }),
    { env: 'STREAMS_PER_USER_MAX' },
  ),
  perProcessMax: setting(
    Type.Integer({ minimum: 1, default: 5_000, description: 'Open streams of this process' }),
    { env: 'STREAMS_MAX' },
  ),
  heartbeatMs: setting(
    Type.Integer({
      minimum: 100,
      maximum: 30_000,
      default: 6_000,
      description: 'A silent stream shows a sign of life this often (R2)',
    }),
    { env: 'STREAM_HEARTBEAT_MS' },
  ),
  safetyPollMs: setting(
    Type.Integer({
      minimum: 100,
      maximum: 60_000,
      default: 3_000,
      description: 'How often Postgres is asked about silent tasks, once for the process (R2)',
    }),
    { env: 'STREAM_SAFETY_POLL_MS' },
  ),
  sessionCheckMs: setting(
    Type.Integer({
      minimum: 1_000,
      maximum: 300_000,
      default: 60_000,
      description: 'How often an open stream asks whether its session still lives',
    }),
    { env: 'STREAM_SESSION_CHECK_MS' },
  ),
})

export const ProgressConfig = Type.Object({
  http: HttpSettings,
  log: LogSettings,
  database: DatabaseSettings,
  redis: RedisCacheSettings,
  streams: StreamSettings,
  cookie: SessionCookieSettings,
  limits: LimitSettings,
})
