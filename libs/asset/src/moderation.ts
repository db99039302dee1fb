import type { AssetId, UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import type { Database, Queryable } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import { assetColumns, recordEvent, type Moderator } from './asset-rows.ts'
import type { Asset } from './asset.ts'

/** Whose asset it is, for an administrator who acts on it. Throws NOT_FOUND. */
export async function ownerOf(database: Queryable, assetId: AssetId): Promise<UserId> {
  const { rows } = await database.query<{ userId: UserId }>(sql`
    SELECT user_id AS "userId" FROM assets
    WHERE id = ${assetId} AND deleted_at IS NULL AND purpose = 'user'
  `)
  const [asset] = rows
  if (asset === undefined) throw new AppError('NOT_FOUND')
  return asset.userId
}

/**
 * Anybody's asset, also one for audits, for an administrator who says why: that it was read is in
 * its history before anything of it is handed out, and its owner sees the reason. Throws NOT_FOUND.
 */
export async function readAssetForReason(
  database: Database,
  assetId: AssetId,
  moderator: Moderator,
): Promise<Asset> {
  return inTransaction(database, async tx => {
    const { rows } = await tx.query<Asset>(sql`
      SELECT ${assetColumns} FROM assets
      WHERE id = ${assetId} AND deleted_at IS NULL AND purpose <> 'ops' FOR SHARE
    `)
    const [asset] = rows
    if (asset === undefined) throw new AppError('NOT_FOUND')
    const { id: actorId, reason } = moderator
    await recordEvent(tx, asset.id, { type: 'read', actorId, detail: { reason } })
    return asset
  })
}
