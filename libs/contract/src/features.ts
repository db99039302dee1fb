import Type, { type Static } from 'typebox'
import { Reason } from './admin-event.ts'

interface FeatureKind {
  readonly summary: string
  /** False where the caller is nobody yet: it can be open to all or to nobody, and to no share. */
  readonly isGradual: boolean
}

/**
 * What operators can switch off, or open to a share of the users, without a deployment. Each is the
 * beginning of something; what was begun goes on, can be read and can be taken back.
 */
export const features = {
  'sign-up': { summary: 'New accounts; signing in is not touched', isGradual: false },
  purchases: {
    summary: 'Beginning to buy credits; what is being paid for is still credited',
    isGradual: true,
  },
  publishing: {
    summary: 'Making an own asset public; taking it back always works',
    isGradual: true,
  },
  'share-links': {
    summary: 'Making new share links; those there are work, and can be changed and ended',
    isGradual: true,
  },
} as const satisfies Record<string, FeatureKind>

export type Feature = keyof typeof features

export function isFeature(key: string): key is Feature {
  return Object.hasOwn(features, key)
}

export const FeatureView = Type.Object({
  key: Type.String({ examples: Object.keys(features) }),
  summary: Type.String(),
  percent: Type.Integer({ description: 'Of the users; 100 is everybody, 0 is nobody' }),
  isGradual: Type.Boolean({ description: 'Whether it takes a percent other than 0 and 100' }),
  updatedAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()], {
    description: 'Null where no operator has changed it: then it is on for everybody',
  }),
})
export type FeatureView = Static<typeof FeatureView>

export const ChangeFeature = Type.Object(
  { percent: Type.Integer({ minimum: 0, maximum: 100 }), reason: Reason },
  { additionalProperties: false },
)
export type ChangeFeature = Static<typeof ChangeFeature>
