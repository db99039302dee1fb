import Type, { type Static } from 'typebox'
import { AssetView, Module } from './asset.ts'
import { Id, type UserId } from './ids.ts'
import { pageQuery } from './page.ts'

/** What a request about many assets may name at once. */
export const assetIdsMax = 200
export const tagsMax = 20
const tagLengthMax = 50

const AssetIds = Type.Array(Id, { minItems: 1, maxItems: assetIdsMax, uniqueItems: true })

/** Kept in lower case and NFC; a comma parts tags in a query. */
const Tag = Type.String({
  minLength: 1,
  maxLength: tagLengthMax,
  pattern: '^[^,]+$',
  examples: ['cats'],
})

/** The first half of a media type. */
export const assetKinds = ['image', 'model', 'video', 'audio'] as const
export type AssetKind = (typeof assetKinds)[number]

const Time = Type.String({ format: 'date-time', examples: ['2026-11-21T12:00:00Z'] })

/** Filters of the gallery; all that are given must hold (A15). */
export const ListAssetsQuery = Type.Object(
  {
    ...pageQuery,
    module: Type.Optional(Module),
    visibility: Type.Optional(Type.Union([Type.Literal('private'), Type.Literal('public')])),
    taskId: Type.Optional(Id),
    kind: Type.Optional(Type.Enum(assetKinds)),
    tags: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: tagsMax * (tagLengthMax + 1),
        description: 'Tags that it has, all of them, with commas between',
        examples: ['cats,studio'],
      }),
    ),
    createdFrom: Type.Optional(Time),
    createdTo: Type.Optional({ ...Time, description: 'Before this moment' }),
    q: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 200,
        description: 'Text that is part of its filename or of a tag, whatever the case',
      }),
    ),
  },
  { additionalProperties: false },
)
export type ListAssetsQuery = Static<typeof ListAssetsQuery>

/** Body of POST /api/assets/resolve. */
export const ResolveAssets = Type.Object({ ids: AssetIds }, { additionalProperties: false })

/** The own assets among those that were asked for, in the order of the question. */
export const ResolvedAssets = Type.Object({
  items: Type.Array(
    Type.Object({
      id: Id,
      ...Type.Pick(AssetView, ['url', 'urlExpiresAt', 'thumbnailUrl', 'cardUrl']).properties,
    }),
  ),
  missing: Type.Array(Id, { description: 'Not there, or somebody else’s' }),
})
export type ResolvedAssets = Static<typeof ResolvedAssets>

/** Body of PATCH /api/assets/:assetId: what is given replaces what was there. */
export const EditAsset = Type.Object(
  {
    filename: Type.Optional(Type.String({ minLength: 1, maxLength: 1024, examples: ['cat.jpg'] })),
    tags: Type.Optional(Type.Array(Tag, { maxItems: tagsMax })),
  },
  { additionalProperties: false, minProperties: 1 },
)
export type EditAsset = Static<typeof EditAsset>

/** Body of POST /api/assets/delete. */
export const DeleteAssets = Type.Object({ ids: AssetIds }, { additionalProperties: false })

export const DeletedAssets = Type.Object({
  items: Type.Array(
    Type.Object({
      id: Id,
      outcome: Type.Enum(['deleted', 'missing', 'failed'] as const, {
        description: 'deleted: now or before. missing: no own asset. failed: try again',
      }),
    }),
  ),
})
export type DeletedAssets = Static<typeof DeletedAssets>

/** One moment in the history of who could see an asset (A2). */
export const AssetEventView = Type.Object({
  id: Id,
  type: Type.String({ examples: ['published'] }),
  by: Type.Enum(['owner', 'administrator', 'visitor', 'system'] as const),
  visibleTo: Type.Union(
    [Type.Enum(['owner', 'link', 'everybody', 'nobody'] as const), Type.Null()],
    {
      description:
        'From then on, `link` beside others; null when the event changed nothing about it',
    },
  ),
  reason: Type.Union([Type.String(), Type.Null()], {
    description: 'What an administrator gave as the reason',
  }),
  createdAt: Type.String({ format: 'date-time' }),
})
export type AssetEventView = Static<typeof AssetEventView>

/** The path of a user's own folder on the private CDN, to which signed cookies are bound (A8). */
export function galleryPath(userId: UserId): string {
  return `/private/${userId}/`
}

/** Reply of POST /api/assets/session-cookies. */
export const GalleryAccess = Type.Object({
  folderUrl: Type.String({ description: 'Addresses that begin with it need no signature now' }),
  expiresAt: Type.String({ format: 'date-time', description: 'Renew the cookies before' }),
})
export type GalleryAccess = Static<typeof GalleryAccess>

/** Body of what an administrator does to somebody else's asset; the owner is told the reason. */
export const Moderation = Type.Object(
  { reason: Type.String({ minLength: 3, maxLength: 500, examples: ['Reported by its subject'] }) },
  { additionalProperties: false },
)

/** An address for an administrator, straight from the store. */
export const AuditedAddress = Type.Object({
  url: Type.String(),
  urlExpiresAt: Type.String({ format: 'date-time' }),
})
