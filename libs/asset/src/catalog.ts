import assert from 'node:assert/strict'
import type { AssetId, TaskId, UserId } from '@funmagic/contract/ids'
import type { Queryable } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { assetColumns } from './asset-rows.ts'
import type { Asset } from './asset.ts'

/** The bound of one read of the outputs of many tasks. */
const tasksMax = 500

/** The asset, if it is the user's: anybody else's answers like one that is not there (A18, S11). */
export async function findAsset(
  database: Queryable,
  wanted: { userId: UserId; assetId: AssetId },
): Promise<Asset | undefined> {
  const { rows } = await database.query<Asset>(sql`
    SELECT ${assetColumns} FROM assets
    WHERE id = ${wanted.assetId} AND user_id = ${wanted.userId} AND deleted_at IS NULL
      AND purpose = 'user'
  `)
  return rows[0]
}

/** The user's asset whose bytes are at this key now; any other key is undefined (A14). */
export async function findAssetByKey(
  database: Queryable,
  wanted: { userId: UserId; storageKey: string },
): Promise<Asset | undefined> {
  const { rows } = await database.query<Asset>(sql`
    SELECT ${assetColumns} FROM assets
    WHERE storage_key = ${wanted.storageKey} AND bucket IN ('private', 'public')
      AND user_id = ${wanted.userId} AND deleted_at IS NULL AND purpose = 'user'
  `)
  return rows[0]
}

/** The user's outputs of many tasks at once, by task, in the order in which the tool made them. */
export async function listAssetsOfTasks(
  database: Queryable,
  wanted: { userId: UserId; taskIds: readonly TaskId[] },
): Promise<Map<TaskId, Asset[]>> {
  assert(wanted.taskIds.length <= tasksMax, `at most ${tasksMax} tasks are read at once`)
  const { rows } = await database.query<Asset & { taskId: TaskId }>(sql`
    SELECT ${assetColumns} FROM assets
    WHERE task_id = ANY(${wanted.taskIds}::uuid[]) AND user_id = ${wanted.userId}
      AND deleted_at IS NULL
    ORDER BY task_id, task_output
  `)
  return Map.groupBy(rows, asset => asset.taskId)
}
