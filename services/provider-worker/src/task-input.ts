import { findAsset } from '@funmagic/asset/catalog'
import type { ObjectStore } from '@funmagic/asset/object-store'
import type { Database } from '@funmagic/database/client'
import type { ClaimedTask } from '@funmagic/task/lifecycle'
import type { Picture } from './providers/provider.ts'
import { TaskFault } from './verdict.ts'

/**
 * The bytes of the picture that the task works on, if it has one. Its owner must be the task's
 * (A14): a picture that was deleted or never was theirs is INPUT_UNAVAILABLE.
 */
export async function readPicture(
  parts: { readonly database: Database; readonly store: ObjectStore },
  task: ClaimedTask,
  bytesMax: number,
): Promise<Picture | undefined> {
  const { assetId } = task.input
  if (assetId === undefined) return undefined
  const asset = await findAsset(parts.database, { userId: task.userId, assetId })
  if (asset === undefined) throw new TaskFault('INPUT_UNAVAILABLE', 'the asset is not there')
  if (asset.sizeBytes > bytesMax) {
    throw new TaskFault('INPUT_UNAVAILABLE', `the asset has more than ${bytesMax} bytes`)
  }
  const place = { bucket: asset.bucket, key: asset.storageKey }
  const bytes = await parts.store.read(place, { bytesMax })
  if (bytes === undefined) throw new TaskFault('INPUT_UNAVAILABLE', 'the object is not there')
  return { bytes: new Uint8Array(bytes), mimeType: asset.mimeType }
}
