import type { AssetLinks } from '@funmagic/asset/resolve-url'
import type { SharedAsset, SharedParent } from '@funmagic/asset/publications'
import type { UserId } from '@funmagic/contract/ids'
import type { SharedAssetView, SharePageView } from '@funmagic/contract/publication'

type Names = ReadonlyMap<UserId, string>

/** The assets as everybody sees them, whoever looks: the same reply may be kept for all. */
export async function toSharedViews(
  links: AssetLinks,
  assets: readonly SharedAsset[],
  names: Names,
): Promise<SharedAssetView[]> {
  const views = await links.toAssetViews(assets, undefined)
  return views.map((view, index) => {
    const asset = assets[index]
    const author = authorOf(asset?.userId ?? '', names)
    return { ...view, caption: asset?.caption ?? null, author }
  })
}

/** What a share page, its preview and its remix button need (P5). */
export async function toSharePage(
  links: AssetLinks,
  { asset, parent }: { asset: SharedAsset; parent: SharedParent | undefined },
  names: Names,
): Promise<SharePageView> {
  const view = await links.toAssetView(asset, undefined)
  const { caption, prompt, toolSlug, stepId, allowRemix } = asset
  const isRecipe = allowRemix && toolSlug !== null && stepId !== null
  return {
    ...view,
    caption,
    author: authorOf(asset.userId, names),
    image: view.cardUrl ?? (view.mimeType.startsWith('image/') ? view.url : null),
    prompt,
    remix: isRecipe ? { toolSlug, stepId, prompt } : null,
    parent: parent
      ? { id: parent.id, caption: parent.caption, author: authorOf(parent.userId, names) }
      : null,
  }
}

function authorOf(id: UserId, names: Names): { id: UserId; name: string } {
  return { id, name: names.get(id) ?? '' }
}
