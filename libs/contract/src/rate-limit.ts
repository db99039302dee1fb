import Type, { type Static } from 'typebox'

/** The categories of requirement S9, and what each is counted by. All windows are 60 seconds. */
export const rateLimitScopes = {
  globalApi: 'ip',
  userApi: 'user',
  taskCreation: 'user',
  upload: 'ip',
  authSession: 'ip',
  authAction: 'ip',
} as const
export type RateLimitCategory = keyof typeof rateLimitScopes

const strict = { additionalProperties: false }
const Limit = Type.Object({ max: Type.Integer({ minimum: 1, maximum: 1_000_000 }) }, strict)

/** One row of rate_limit_settings (S9): limits per minute, and what buying credits multiplies. */
export const RateLimitSettings = Type.Object(
  {
    tiers: Type.Array(
      Type.Object(
        {
          name: Type.String({ minLength: 1, maxLength: 64 }),
          minPurchased: Type.Integer({
            minimum: 0,
            maximum: 2_147_483_647,
            description: 'Credits bought in all',
          }),
          multiplier: Type.Number({ minimum: 0.01, maximum: 1000 }),
        },
        strict,
      ),
      { maxItems: 20 },
    ),
    limits: Type.Object(
      {
        globalApi: Limit,
        userApi: Limit,
        taskCreation: Limit,
        upload: Limit,
        authSession: Limit,
        authAction: Limit,
      },
      strict,
    ),
  },
  strict,
)
export type RateLimitSettings = Static<typeof RateLimitSettings>

/** What holds until an operator writes a row (seed 001 §9). */
export const rateLimitDefaults: RateLimitSettings = {
  tiers: [
    { name: 'free', minPurchased: 0, multiplier: 1 },
    { name: 'basic', minPurchased: 100, multiplier: 1.5 },
    { name: 'premium', minPurchased: 500, multiplier: 2 },
    { name: 'vip', minPurchased: 2000, multiplier: 3 },
  ],
  limits: {
    globalApi: { max: 200 },
    userApi: { max: 60 },
    taskCreation: { max: 10 },
    upload: { max: 30 },
    authSession: { max: 120 },
    authAction: { max: 10 },
  },
}
