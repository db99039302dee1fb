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

const StripeSettings = Type.Object({
  secretKey: Type.Optional(
    setting(Type.String({ pattern: '^[sr]k_', description: 'Without it nobody can buy credits' }), {
      env: 'STRIPE_SECRET_KEY',
      secret: true,
    }),
  ),
  webhookSecret: Type.Optional(
    setting(Type.String({ pattern: '^whsec_', description: 'Goes with STRIPE_SECRET_KEY' }), {
      env: 'STRIPE_WEBHOOK_SECRET',
      secret: true,
    }),
  ),
  apiUrl: setting(
    Type.String({
      pattern: '^https?://[^/]+$',
      default: 'https://api.stripe.com',
      description: 'Another address for development',
    }),
    { env: 'STRIPE_API_URL' },
  ),
})

const CheckoutSettings = Type.Object({
  successUrl: setting(
    Type.String({
      pattern: '^https?://',
      default: 'https://funmagic.ai/credits?checkout=success',
      description: 'Where a buyer goes who has paid',
    }),
    { env: 'CHECKOUT_SUCCESS_URL' },
  ),
  cancelUrl: setting(
    Type.String({
      pattern: '^https?://',
      default: 'https://funmagic.ai/credits?checkout=canceled',
      description: 'Where a buyer goes who has not',
    }),
    { env: 'CHECKOUT_CANCEL_URL' },
  ),
})

const BookSettings = Type.Object({
  aloneCreditsMax: setting(
    Type.Integer({
      minimum: 1,
      maximum: 1_000_000_000,
      default: 10_000,
      description: 'The most credits that one operator may give or take alone',
    }),
    { env: 'ADJUST_ALONE_CREDITS_MAX' },
  ),
  sweepMs: setting(
    Type.Integer({
      minimum: 100,
      maximum: 600_000,
      default: 30_000,
      description: 'Between two looks for expired credits, unfinished payments and low balances',
    }),
    { env: 'CREDIT_SWEEP_MS' },
  ),
  proofHours: setting(
    Type.Integer({
      minimum: 1,
      maximum: 168,
      default: 24,
      description: 'Between two proofs of the whole books; the first is at the start',
    }),
    { env: 'LEDGER_PROOF_HOURS' },
  ),
})

export const CreditConfig = Type.Object({
  http: HttpSettings,
  log: LogSettings,
  database: DatabaseSettings,
  redis: RedisCacheSettings,
  cookie: SessionCookieSettings,
  limits: LimitSettings,
  stripe: StripeSettings,
  checkout: CheckoutSettings,
  books: BookSettings,
})
