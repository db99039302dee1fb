import Type, { type Static } from 'typebox'
import { BasedOn, Reason } from './admin-event.ts'
import { Id } from './ids.ts'
import { ProviderConfig } from './provider-config.ts'
import { providerTypes } from './tool.ts'

const orNull = <Schema extends Type.TSchema>(schema: Schema) => Type.Union([schema, Type.Null()])

const fields = {
  name: Type.String({ minLength: 1, maxLength: 100, pattern: '^\\P{Cc}*\\S\\P{Cc}*$' }),
  baseUrl: orNull(
    Type.String({
      minLength: 1,
      maxLength: 500,
      description: 'Replaces the vendor’s address; https, and nothing inside our network',
    }),
  ),
  config: ProviderConfig,
}
const apiKey = Type.String({
  minLength: 8,
  maxLength: 1000,
  pattern: '^[\\x21-\\x7e]+$',
  description: 'Never shown again but for its last four characters',
})

export const ProviderView = Type.Object({
  id: Id,
  ...fields,
  type: Type.Enum(providerTypes),
  apiKeyLast4: orNull(Type.String({ description: 'Of the key; null while none is set' })),
  health: orNull(
    Type.Object({
      isHealthy: Type.Boolean(),
      checkedAt: orNull(Type.String({ format: 'date-time' })),
    }),
  ),
  version: Type.Integer(),
  createdAt: Type.String({ format: 'date-time' }),
  updatedAt: Type.String({ format: 'date-time' }),
})
export type ProviderView = Static<typeof ProviderView>

export const CreateProvider = Type.Object(
  {
    name: fields.name,
    type: Type.Enum(providerTypes),
    apiKey: Type.Optional(apiKey),
    baseUrl: Type.Optional(fields.baseUrl),
    config: Type.Optional(fields.config),
    reason: Type.Optional(Reason),
  },
  { additionalProperties: false },
)
export type CreateProvider = Static<typeof CreateProvider>

/** What is left out stays as it is; the type never changes. */
export const ChangeProvider = Type.Object(
  {
    ...Type.Partial(Type.Object(fields)).properties,
    apiKey: Type.Optional(apiKey),
    version: Type.Optional(BasedOn),
    reason: Type.Optional(Reason),
  },
  { additionalProperties: false },
)
export type ChangeProvider = Static<typeof ChangeProvider>
