import Type, { type Static } from 'typebox'
import { AssetView, CreateUpload, Module } from './asset.ts'
import { Id } from './ids.ts'
import { pageQuery } from './page.ts'

/** Where the platform's own files go: to everybody by the CDN, or to administrators alone (A5). */
export const destinations = ['ops', 'audit'] as const
export type Destination = (typeof destinations)[number]

const { module: _module, ...file } = CreateUpload.properties

/** Body of POST /api/admin/assets/uploads: ops files have a module, audit files an audit type. */
export const CreatePlatformUpload = Type.Object(
  {
    ...file,
    destination: Type.Enum(destinations, {
      description: 'ops: public and kept by caches for a year. audit: for administrators only',
    }),
    module: Type.Optional({ ...Module, description: 'Of an ops file', examples: ['banners'] }),
    auditType: Type.Optional({
      ...Module,
      description: 'Of an audit file',
      examples: ['moderation'],
    }),
  },
  { additionalProperties: false },
)
export type CreatePlatformUpload = Static<typeof CreatePlatformUpload>

export const ListPlatformAssetsQuery = Type.Object(
  {
    ...pageQuery,
    destination: Type.Optional(Type.Enum(destinations)),
    module: Type.Optional(Module),
    auditType: Type.Optional(Module),
  },
  { additionalProperties: false },
)

const noAddress = 'Of an audit file only when its own uploader reads it'

/** A file of the platform as administrators see it. */
export const PlatformAssetView = Type.Object({
  ...Type.Pick(AssetView, [
    'id',
    'visibility',
    'mimeType',
    'sizeBytes',
    'width',
    'height',
    'sha256',
    'urlExpiresAt',
    'thumbnailUrl',
    'cardUrl',
    'thumbhash',
    'filename',
    'createdAt',
  ]).properties,
  destination: Type.Enum(destinations),
  module: Type.Union([Type.String(), Type.Null()]),
  auditType: Type.Union([Type.String(), Type.Null()]),
  url: Type.Union([Type.String(), Type.Null()], { description: noAddress }),
  createdBy: Id,
})
export type PlatformAssetView = Static<typeof PlatformAssetView>
