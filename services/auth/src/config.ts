import { setting } from '@funmagic/runtime/config'
import {
  DatabaseSettings,
  HttpSettings,
  LimitSettings,
  LogSettings,
  RedisCacheSettings,
  SessionCookieSettings,
  galleryCookieDomain,
} from '@funmagic/runtime/settings'
import Type, { type Static } from 'typebox'

export const AuthConfig = Type.Object({
  http: HttpSettings,
  log: LogSettings,
  database: DatabaseSettings,
  redis: RedisCacheSettings,
  cookie: SessionCookieSettings,
  limits: LimitSettings,
  gallery: Type.Object({ cookieDomain: galleryCookieDomain }),
  signUp: Type.Object({
    bonusCredits: setting(
      Type.Integer({
        minimum: 0,
        maximum: 1_000_000,
        default: 100,
        description: 'Credits that a new user is given',
      }),
      { env: 'SIGNUP_BONUS_CREDITS' },
    ),
  }),
})
export type AuthConfig = Static<typeof AuthConfig>
