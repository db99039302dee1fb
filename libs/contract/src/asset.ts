import Type, { type Static } from 'typebox'
import { Id } from './ids.ts'

export const visibilities = ['private', 'public', 'admin-private'] as const
export type Visibility = (typeof visibilities)[number]

/** Picture types that a user may upload; anything else is UNSUPPORTED_MEDIA_TYPE (415). */
export const uploadMimeTypes = ['image/jpeg', 'image/png', 'image/webp', 'image/gif'] as const
export type UploadMimeType = (typeof uploadMimeTypes)[number]

/** Types that a tool may produce. */
export const outputMimeTypes = [...uploadMimeTypes, 'model/gltf-binary', 'model/ply'] as const
export type OutputMimeType = (typeof outputMimeTypes)[number]

/** A module is the feature an asset belongs to (requirements A2, A5); it is part of the key. */
export const Module = Type.String({
  pattern: '^[a-z0-9][a-z0-9_-]{0,63}$',
  examples: ['background-remove'],
})

/** Body of POST /api/assets/uploads. The owner and the path are the server's (U1). */
export const CreateUpload = Type.Object(
  {
    filename: Type.String({ minLength: 1, maxLength: 1024, examples: ['cat.jpg'] }),
    mimeType: Type.String({ minLength: 1, maxLength: 127, examples: ['image/jpeg'] }),
    sizeBytes: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, examples: [48213] }),
    module: Module,
    sha256: Type.Optional(
      Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the bytes, hex' }),
    ),
  },
  { additionalProperties: false },
)
export type CreateUpload = Static<typeof CreateUpload>

/** The ticket: send the bytes with exactly this method, address and headers before it expires. */
export const UploadTicket = Type.Object({
  uploadId: Id,
  upload: Type.Object({
    method: Type.Literal('PUT'),
    url: Type.String(),
    headers: Type.Record(Type.String(), Type.String()),
    expiresAt: Type.String({ format: 'date-time' }),
  }),
  multipart: Type.Optional(
    Type.Object(
      {
        partSizeBytes: Type.Integer({ description: 'Of each part but the last' }),
        partsCount: Type.Integer(),
        expiresAt: Type.String({ format: 'date-time', description: 'When the ticket ends' }),
      },
      { description: 'For a large file: it may be sent in parts instead of by the one PUT' },
    ),
  ),
})
export type UploadTicket = Static<typeof UploadTicket>

/** Body of POST /api/assets/uploads/:uploadId/parts. */
export const SignParts = Type.Object(
  {
    partNumbers: Type.Array(Type.Integer({ minimum: 1, maximum: 10_000 }), {
      minItems: 1,
      maxItems: 4,
      uniqueItems: true,
      description: 'A few at a time, just before they are sent',
    }),
  },
  { additionalProperties: false },
)

const partFacts = { partNumber: Type.Integer(), sizeBytes: Type.Integer() }

const UploadPart = Type.Object({
  ...partFacts,
  method: Type.Literal('PUT'),
  url: Type.String(),
  headers: Type.Record(Type.String(), Type.String()),
  expiresAt: Type.String({ format: 'date-time' }),
})
export type UploadPart = Static<typeof UploadPart>

/** Where to send each part: exactly so many bytes, with exactly these headers. */
export const UploadParts = Type.Object({ parts: Type.Array(UploadPart) })
export type UploadParts = Static<typeof UploadParts>

/** How far an upload has come; after a refresh, a client goes on with the parts not yet sent. */
export const UploadProgress = Type.Object({
  uploadId: Id,
  state: Type.Enum(['pending', 'completed', 'expired']),
  assetId: Type.Union([Id, Type.Null()]),
  sizeBytes: Type.Integer(),
  expiresAt: Type.String({ format: 'date-time' }),
  parts: Type.Array(Type.Object({ ...partFacts, isSent: Type.Boolean() }), {
    description: 'Empty for a file that is sent in one piece',
  }),
})
export type UploadProgress = Static<typeof UploadProgress>

/** What a client can tell its user before a file is chosen (U5). */
export const UploadLimits = Type.Object({
  tier: Type.Object({ name: Type.String(), multiplier: Type.Number() }),
  mimeTypes: Type.Array(Type.String(), { description: 'What may be uploaded' }),
  bytesMax: Type.Integer({ description: 'The largest file' }),
  picture: Type.Object({
    pixelsMax: Type.Integer(),
    sideMaxPx: Type.Integer(),
    ratioMax: Type.Integer({ description: 'The longer side over the shorter' }),
    framesMax: Type.Integer({ description: 'Of an animation, of which the first is kept' }),
    framePixelsMax: Type.Integer({ description: 'Of all frames together' }),
  }),
  quota: Type.Object({
    bytesMax: Type.Integer(),
    usedBytes: Type.Integer({ description: 'Kept, and promised by open tickets' }),
    leftBytes: Type.Integer(),
  }),
  tickets: Type.Object({ openMax: Type.Integer(), open: Type.Integer() }),
  multipart: Type.Object({
    fromBytes: Type.Integer({ description: 'From this size a ticket offers parts' }),
    partSizeBytes: Type.Integer(),
    partsPerRequestMax: Type.Integer(),
  }),
})
export type UploadLimits = Static<typeof UploadLimits>

/** The asset as its owner, or for a public one anyone, sees it. */
export const AssetView = Type.Object({
  id: Id,
  module: Type.String(),
  visibility: Type.Enum(visibilities),
  mimeType: Type.String(),
  sizeBytes: Type.Integer(),
  width: Type.Union([Type.Integer(), Type.Null()]),
  height: Type.Union([Type.Integer(), Type.Null()]),
  sha256: Type.String(),
  url: Type.String({ description: 'On cdn when public, signed on private-cdn when private' }),
  urlExpiresAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
  thumbnailUrl: Type.Union([Type.String(), Type.Null()], {
    description: 'WebP within 256 × 256; null while there is none. Lives as long as url does',
  }),
  cardUrl: Type.Union([Type.String(), Type.Null()], {
    description: 'WebP of at most 640 pixels a side; null while there is none',
  }),
  thumbhash: Type.Union([Type.String(), Type.Null()], {
    description: 'ThumbHash of the picture in base64, to show while it loads',
  }),
  filename: Type.Union([Type.String(), Type.Null()], {
    description: 'As it was uploaded or renamed; only its owner is told',
  }),
  tags: Type.Array(Type.String(), { description: 'Only its owner is told' }),
  taskId: Type.Union([Id, Type.Null()]),
  createdAt: Type.String({ format: 'date-time' }),
  publishedAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
})
export type AssetView = Static<typeof AssetView>
