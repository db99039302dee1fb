import type { NewAsset } from '@funmagic/asset/asset'
import type { PlatformAsset } from '@funmagic/asset/platform-assets'
import type { AssetLinks } from '@funmagic/asset/resolve-url'
import type { PlatformAssetView } from '@funmagic/contract/platform-asset'
import type { Occasion } from '@funmagic/session/admin-events'
import { userOf } from '@funmagic/session/require-user'

/** The file with its addresses; those of an audit file are good for five minutes. */
export async function withAddresses(
  links: AssetLinks,
  asset: PlatformAsset,
  viewer: ReturnType<typeof userOf>,
): Promise<PlatformAssetView> {
  const { url, urlExpiresAt, thumbnailUrl, cardUrl } = await links.toAssetView(asset, viewer)
  return { ...withoutAddresses(asset), url, urlExpiresAt, thumbnailUrl, cardUrl }
}

export function withoutAddresses(asset: PlatformAsset): PlatformAssetView {
  const { purpose: destination, module } = asset
  return {
    id: asset.id,
    destination,
    module: destination === 'ops' ? module : null,
    auditType: destination === 'audit' ? module : null,
    visibility: asset.visibility,
    filename: asset.filename,
    mimeType: asset.mimeType,
    sizeBytes: asset.sizeBytes,
    width: asset.width,
    height: asset.height,
    sha256: asset.sha256,
    url: null,
    urlExpiresAt: null,
    thumbnailUrl: null,
    cardUrl: null,
    thumbhash: asset.thumbhash,
    createdBy: asset.userId,
    createdAt: asset.createdAt.toISOString(),
  }
}

/** What the audit keeps of a file. */
export function describeForAudit(asset: NewAsset): object {
  const { bucket, storageKey, filename, mimeType, sizeBytes, sha256 } = asset
  return { bucket, storageKey, filename, mimeType, sizeBytes, sha256 }
}

export function occasionOf(
  request: Parameters<typeof userOf>[0],
  action: 'asset.created' | 'asset.deleted',
): Occasion {
  const { id, role } = userOf(request)
  return { actor: { id, role }, requestId: request.id, action, subjectType: 'asset' }
}
