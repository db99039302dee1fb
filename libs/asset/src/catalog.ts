import type { Visibility } from '@funmagic/contract/asset'
import type { AssetId, TaskId, UserId } from '@funmagic/contract/ids'
import type { PageOf, PageRequest } from '@funmagic/contract/page'
import type { Queryable } from '@funmagic/database/client'
import type { Asset } from './asset.ts'

export interface AssetFilter {
  readonly userId: UserId
  readonly module?: string | undefined
  readonly visibility?: Visibility | undefined
  readonly taskId?: TaskId | undefined
}

/** The asset, if it is the user's: somebody else's answers like one that is not there. */
export declare function findAsset(
  database: Queryable,
  wanted: { userId: UserId; assetId: AssetId },
): Promise<Asset | undefined>

/** The user's asset whose bytes are at this key now; a key of anybody else's is undefined (A14). */
export declare function findAssetByKey(
  database: Queryable,
  wanted: { userId: UserId; storageKey: string },
): Promise<Asset | undefined>

/** A public asset of anybody. */
export declare function findSharedAsset(
  database: Queryable,
  assetId: AssetId,
): Promise<Asset | undefined>

/** A user's assets, newest first. */
export declare function listAssets(
  database: Queryable,
  filter: AssetFilter,
  page: PageRequest,
): Promise<PageOf<Asset>>

/** The user's outputs of many tasks at once, by task, in the order that the tool made them. */
export declare function listAssetsOfTasks(
  database: Queryable,
  wanted: { userId: UserId; taskIds: readonly TaskId[] },
): Promise<Map<TaskId, Asset[]>>
