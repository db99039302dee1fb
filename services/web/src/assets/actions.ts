import type { AssetView } from '@funmagic/contract/asset'
import type { PublishAsset } from '@funmagic/contract/publication'
import type { CreatedShareLink, CreateShareLink } from '@funmagic/contract/share-link'
import { newKey, post, remove } from '../api/client.ts'

/** Shows it to everybody, from this moment on. */
export function publish(assetId: string, body: PublishAsset): Promise<AssetView> {
  return post(`/api/assets/${assetId}/publish`, { body })
}

export function unpublish(assetId: string): Promise<AssetView> {
  return post(`/api/assets/${assetId}/unpublish`, { body: {} })
}

export function deleteAsset(assetId: string): Promise<void> {
  return remove(`/api/assets/${assetId}`)
}

/** The address to give away: the secret is behind its `#`, which no server is sent. */
export async function createShareLink(body: CreateShareLink, origin: string): Promise<string> {
  const link = await post<CreatedShareLink>('/api/assets/share-links', {
    body,
    idempotencyKey: newKey(),
  })
  return new URL(link.url, origin).href
}
