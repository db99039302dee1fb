import Type, { type Static } from 'typebox'

/** What we allow ourselves at a provider (V5). What is not there is not limited. */
export const RateLimit = Type.Object(
  {
    maxConcurrency: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1_000, description: 'Calls that are open at once' }),
    ),
    maxPerMinute: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000 })),
    maxPerDay: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 100_000_000, description: 'Per day of UTC' }),
    ),
    retryOn429: Type.Optional(
      Type.Boolean({ description: 'Whether a call that the provider throttled is tried again' }),
    ),
    maxRetries: Type.Optional(Type.Integer({ minimum: 0, maximum: 10 })),
    baseBackoffMs: Type.Optional(
      Type.Integer({ minimum: 100, maximum: 60_000, description: 'Before the first further try' }),
    ),
  },
  { additionalProperties: false },
)
export type RateLimit = Static<typeof RateLimit>

/** The column `config` of providers and admin_providers. */
export const ProviderConfig = Type.Object(
  {
    rateLimit: Type.Optional(RateLimit),
    costPerCallUsd: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 1_000,
        description: 'What the provider takes for one call',
      }),
    ),
    dailyBudgetUsd: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 1_000_000,
        description: 'Spent within a day of UTC, no new task is accepted; needs costPerCallUsd',
      }),
    ),
  },
  { additionalProperties: false },
)
export type ProviderConfig = Static<typeof ProviderConfig>
