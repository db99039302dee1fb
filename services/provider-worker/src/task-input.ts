import { placeOf, type Asset } from '@funmagic/asset/asset'
import { findAsset, listAssetsOfTasks } from '@funmagic/asset/catalog'
import type { ObjectStore } from '@funmagic/asset/object-store'
import type { Database } from '@funmagic/database/client'
import type { ClaimedTask } from '@funmagic/task/lifecycle'
import type { Picture } from './providers/provider.ts'
import { TaskFault } from './verdict.ts'

const looksMax = 3

/**
 * The bytes of the picture that the task works on, if it has one: its own, or the first that its
 * parent made. Its owner must be the task's (A14): a picture that was deleted or never was theirs
 * is INPUT_UNAVAILABLE.
 */
export async function readPicture(
  parts: { readonly database: Database; readonly store: ObjectStore },
  task: ClaimedTask,
  bytesMax: number,
): Promise<Picture | undefined> {
  if (task.input.assetId === undefined && !task.inheritsPicture) return undefined
  return readObject(parts.store, () => findInput(parts.database, task), bytesMax)
}

/** The picture that the task works on, if it has one and that is still its owner's. */
export async function findInput(database: Database, task: ClaimedTask): Promise<Asset | undefined> {
  const { userId, input, inheritsPicture } = task
  if (input.assetId !== undefined) return findAsset(database, { userId, assetId: input.assetId })
  return inheritsPicture ? findInherited(database, task) : undefined
}

/** The bytes of the mask that goes with the picture, under the same rules. */
export async function readMask(
  parts: { readonly database: Database; readonly store: ObjectStore },
  { userId, input }: ClaimedTask,
  bytesMax: number,
): Promise<Picture | undefined> {
  const { maskAssetId: assetId } = input
  if (assetId === undefined) return undefined
  return readObject(parts.store, () => findAsset(parts.database, { userId, assetId }), bytesMax)
}

/** What is unpublished in this moment is no longer where its row said: it is looked up anew. */
async function readObject(
  store: ObjectStore,
  find: () => Promise<Asset | undefined>,
  bytesMax: number,
): Promise<Picture> {
  for (let looks = 0; looks < looksMax; looks++) {
    const asset = await find()
    if (asset === undefined) throw new TaskFault('INPUT_UNAVAILABLE', 'the asset is not there')
    if (asset.sizeBytes > bytesMax) {
      throw new TaskFault('INPUT_UNAVAILABLE', `the asset has more than ${bytesMax} bytes`)
    }
    const bytes = await store.read(placeOf(asset), { bytesMax })
    if (bytes !== undefined) return { bytes: new Uint8Array(bytes), mimeType: asset.mimeType }
  }
  throw new TaskFault('INPUT_UNAVAILABLE', 'the object is not there')
}

async function findInherited(
  database: Database,
  { userId, parentTaskId }: ClaimedTask,
): Promise<Asset | undefined> {
  if (parentTaskId === null) return undefined
  const assets = await listAssetsOfTasks(database, { userId, taskIds: [parentTaskId] })
  return assets.get(parentTaskId)?.find(({ mimeType }) => mimeType.startsWith('image/'))
}
