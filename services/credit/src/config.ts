import {
  DatabaseSettings,
  HttpSettings,
  LimitSettings,
  LogSettings,
  RedisCacheSettings,
  SessionCookieSettings,
} from '@funmagic/runtime/settings'
import Type from 'typebox'

export const CreditConfig = Type.Object({
  http: HttpSettings,
  log: LogSettings,
  database: DatabaseSettings,
  redis: RedisCacheSettings,
  cookie: SessionCookieSettings,
  limits: LimitSettings,
})
