import Type, { type Static } from 'typebox'
import { AssetView, Module } from './asset.ts'
import { Id } from './ids.ts'
import { pageQuery } from './page.ts'

/** Body of POST /api/assets/:assetId/publish; all of it may be left out (P5). */
export const PublishAsset = Type.Object(
  {
    caption: Type.Optional(
      Type.String({ minLength: 1, maxLength: 500, examples: ['My cat, without the sofa'] }),
    ),
    showPrompt: Type.Optional(
      Type.Boolean({ default: false, description: 'Whether everybody may read the prompt' }),
    ),
    allowRemix: Type.Optional(
      Type.Boolean({ default: false, description: 'Whether others are offered the tool' }),
    ),
  },
  { additionalProperties: false },
)
export type PublishAsset = Static<typeof PublishAsset>

const Author = Type.Object({ id: Id, name: Type.String() })

/** A published asset as anybody sees it in the feed. */
export const SharedAssetView = Type.Object({
  ...AssetView.properties,
  caption: Type.Union([Type.String(), Type.Null()]),
  author: Author,
})
export type SharedAssetView = Static<typeof SharedAssetView>

const nullable = <Part extends ReturnType<typeof Type.Object>>(part: Part) =>
  Type.Union([part, Type.Null()])

/** What the page of one published asset shows. */
export const SharePageView = Type.Object({
  ...SharedAssetView.properties,
  image: Type.Union([Type.String(), Type.Null()], {
    description: 'For previews (og:image): the card, or the picture itself; null for no picture',
  }),
  prompt: Type.Union([Type.String(), Type.Null()], { description: 'Null unless it is shown' }),
  remix: nullable(
    Type.Object(
      {
        toolSlug: Type.String(),
        stepId: Type.String(),
        prompt: Type.Union([Type.String(), Type.Null()]),
      },
      { description: 'What opens the tool pre-filled; null unless it is allowed' },
    ),
  ),
  parent: nullable(
    Type.Object(
      { id: Id, caption: Type.Union([Type.String(), Type.Null()]), author: Author },
      { description: 'The published asset that this one was made of' },
    ),
  ),
})
export type SharePageView = Static<typeof SharePageView>

export const ListSharedQuery = Type.Object(
  { ...pageQuery, module: Type.Optional(Module), userId: Type.Optional(Id) },
  { additionalProperties: false },
)
