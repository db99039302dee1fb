import Type, { type Static } from 'typebox'
import { assetIdsMax } from './gallery.ts'
import { Id } from './ids.ts'
import { pageQuery } from './page.ts'

const daySeconds = 86_400
export const shareLinkDefaultSeconds = 30 * daySeconds
export const shareLinkMaxSeconds = 365 * daySeconds

const text = { minLength: 1, maxLength: 200 }
const Title = Type.String({ ...text, examples: ['Our cats'] })
const Password = Type.String({ ...text, description: 'Visitors are asked for it' })
const Time = Type.String({ format: 'date-time' })
const Life = Type.Integer({
  minimum: 60,
  maximum: shareLinkMaxSeconds,
  default: shareLinkDefaultSeconds,
  description: 'From now; 30 days unless it is given, a year at most',
})
const allowed = { download: Type.Boolean(), showPrompt: Type.Boolean() }
const Allow = Type.Partial(Type.Object(allowed), { additionalProperties: false })

/** Body of POST /api/assets/share-links (P4). */
export const CreateShareLink = Type.Object(
  {
    assetIds: Type.Array(Id, { minItems: 1, maxItems: assetIdsMax, uniqueItems: true }),
    expiresInSeconds: Type.Optional(Life),
    password: Type.Optional(Password),
    allow: Type.Optional(Allow),
    title: Type.Optional(Title),
  },
  { additionalProperties: false },
)
export type CreateShareLink = Static<typeof CreateShareLink>

/** Body of PATCH /api/assets/share-links/:linkId: what is given replaces what was there. */
export const EditShareLink = Type.Object(
  {
    expiresInSeconds: Type.Optional(Life),
    password: Type.Optional(Type.Union([Password, Type.Null()])),
    allow: Type.Optional(Allow),
    title: Type.Optional(Type.Union([Title, Type.Null()])),
  },
  { additionalProperties: false, minProperties: 1 },
)
export type EditShareLink = Static<typeof EditShareLink>

/** A link as its owner sees it. */
export const ShareLinkView = Type.Object({
  id: Id,
  title: Type.Union([Type.String(), Type.Null()]),
  assetIds: Type.Array(Id, { description: 'Those that are not deleted' }),
  allow: Type.Object(allowed),
  hasPassword: Type.Boolean(),
  views: Type.Integer(),
  downloads: Type.Integer(),
  lastOpenedAt: Type.Union([Time, Type.Null()]),
  expiresAt: Time,
  revokedAt: Type.Union([Time, Type.Null()]),
  createdAt: Time,
})
export type ShareLinkView = Static<typeof ShareLinkView>

export const CreatedShareLink = Type.Object({
  ...ShareLinkView.properties,
  token: Type.String({ description: 'The secret; shown only now' }),
  url: Type.String({
    description: 'For the site: the token is in the fragment, which reaches no server or log',
    examples: ['/share#jC2w…'],
  }),
})
export type CreatedShareLink = Static<typeof CreatedShareLink>

export const ListShareLinksQuery = Type.Object(pageQuery, { additionalProperties: false })

const key = {
  token: Type.String({ minLength: 1, maxLength: 128 }),
  proof: Type.Optional(
    Type.String({ minLength: 1, maxLength: 128, description: 'Given for the password' }),
  ),
}

/** Body of POST /api/assets/share-links/open; no session needed. */
export const OpenShareLink = Type.Object(
  { ...key, password: Type.Optional(Type.String(text)) },
  { additionalProperties: false },
)
export type OpenShareLink = Static<typeof OpenShareLink>

/** Body of POST /api/assets/share-links/download; no session needed. */
export const DownloadSharedAsset = Type.Object(
  { ...key, assetId: Id },
  { additionalProperties: false },
)

const Nullable = Type.Union([Type.String(), Type.Null()])

/** An asset as whoever has the link sees it: smaller pictures only. */
const GuestAsset = Type.Object({
  id: Id,
  mimeType: Type.String(),
  sizeBytes: Type.Integer(),
  width: Type.Union([Type.Integer(), Type.Null()]),
  height: Type.Union([Type.Integer(), Type.Null()]),
  thumbnailUrl: Nullable,
  cardUrl: Nullable,
  thumbhash: Nullable,
  prompt: Type.Union([Type.String(), Type.Null()], { description: 'Null unless it is shown' }),
})
export type GuestAsset = Static<typeof GuestAsset>

export const OpenedShareLink = Type.Object({
  title: Nullable,
  allow: Type.Object(allowed),
  expiresAt: Time,
  assets: Type.Array(GuestAsset),
  proof: Type.Union([Type.Object({ value: Type.String(), expiresAt: Time }), Type.Null()], {
    description: 'Instead of the password, for an hour; null when there is none',
  }),
})
export type OpenedShareLink = Static<typeof OpenedShareLink>

export const SharedDownload = Type.Object({
  url: Type.String(),
  urlExpiresAt: Type.Union([Time, Type.Null()]),
})
export type SharedDownload = Static<typeof SharedDownload>
