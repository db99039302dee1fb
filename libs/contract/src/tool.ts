import Type, { type Static } from 'typebox'
import { Id } from './ids.ts'

export const providerTypes = ['openai', 'replicate', 'fal', 'tripo', 'google'] as const
export type ProviderType = (typeof providerTypes)[number]

/** What a step does; a provider adapter declares which of these it can do (V2). */
export const stepTypes = ['background-remove', 'image-gen', 'point-cloud', '3d-gen'] as const
export type StepType = (typeof stepTypes)[number]

/** Another model that does the step while the first cannot; for the user at the same price. */
export const StepFallback = Type.Object(
  {
    providerId: Id,
    providerModel: Type.String({ minLength: 1, maxLength: 200 }),
  },
  { additionalProperties: false },
)
export type StepFallback = Static<typeof StepFallback>

/** One step of a tool's configuration, with the seeds' field names (T7; seed 001 §16). */
export const ToolStep = Type.Object(
  {
    id: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,63}$', examples: ['image-gen'] }),
    name: Type.String({ minLength: 1, maxLength: 100, examples: ['Image Generation'] }),
    type: Type.Enum(stepTypes),
    providerId: Id,
    providerModel: Type.String({ minLength: 1, maxLength: 200, examples: ['gpt-image-1.5'] }),
    cost: Type.Integer({ minimum: 1, maximum: 1_000_000, description: 'Credits' }),
    timeoutSeconds: Type.Optional(Type.Integer({ minimum: 5, maximum: 3600 })),
    fallbacks: Type.Optional(
      Type.Array(StepFallback, {
        maxItems: 5,
        description: 'Asked in this order while the provider is down; the price stays',
      }),
    ),
  },
  { additionalProperties: false },
)
export type ToolStep = Static<typeof ToolStep>

export const StyleReference = Type.Object(
  {
    id: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,63}$', examples: ['style-anime'] }),
    name: Type.String({ minLength: 1, maxLength: 100 }),
    imageUrl: Type.Optional(Type.String({ maxLength: 2048 })),
    prompt: Type.String({ minLength: 1, maxLength: 2000 }),
  },
  { additionalProperties: false },
)
export type StyleReference = Static<typeof StyleReference>

export const ToolConfig = Type.Object(
  {
    steps: Type.Array(ToolStep, { minItems: 1, maxItems: 20 }),
    styleReferences: Type.Optional(Type.Array(StyleReference, { maxItems: 100 })),
  },
  { additionalProperties: false },
)
export type ToolConfig = Static<typeof ToolConfig>

/** The models that a step may run on, in the order in which they are asked. */
export function modelsOf({ providerId, providerModel, fallbacks = [] }: ToolStep): StepFallback[] {
  return [{ providerId, providerModel }, ...fallbacks]
}

/** The tool as anyone sees it: no provider ids. */
export const ToolView = Type.Object({
  id: Id,
  slug: Type.String({ examples: ['background-remove'] }),
  title: Type.String(),
  description: Type.Union([Type.String(), Type.Null()]),
  type: Type.Object({
    name: Type.String(),
    displayName: Type.String(),
    icon: Type.Union([Type.String(), Type.Null()]),
    color: Type.Union([Type.String(), Type.Null()]),
  }),
  creditsCost: Type.Integer(),
  steps: Type.Array(
    Type.Object({
      id: Type.String(),
      name: Type.String(),
      type: Type.String(),
      cost: Type.Integer(),
      isAvailable: Type.Boolean({ description: 'A task would be taken now' }),
      isDegraded: Type.Boolean({ description: 'Another model than the usual one does it now' }),
    }),
  ),
  styleReferences: Type.Array(
    Type.Object({
      id: Type.String(),
      name: Type.String(),
      imageUrl: Type.Union([Type.String(), Type.Null()]),
    }),
  ),
})
export type ToolView = Static<typeof ToolView>
