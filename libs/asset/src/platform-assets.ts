import type { AssetId, UserId } from '@funmagic/contract/ids'
import type { PageOf } from '@funmagic/contract/page'
import type { Destination } from '@funmagic/contract/platform-asset'
import { AppError } from '@funmagic/contract/problem'
import type { Database, Queryable } from '@funmagic/database/client'
import { empty, sql } from '@funmagic/database/sql'
import { inTransaction, type Transaction } from '@funmagic/database/transaction'
import { assetColumns, recordEvent } from './asset-rows.ts'
import type { Asset } from './asset.ts'
import { openCursor, sealCursor } from './cursors.ts'
import { openDeletion, type Deletion } from './deletions.ts'

// The platform's own files (A5): ops files are public for good, audit files are for administrators.
// Users' functions know nothing of them, and these know nothing of users' files (S11).

/** An asset that the platform keeps; the module of an audit file is its audit type. */
export interface PlatformAsset extends Asset {
  readonly purpose: Destination
}

export interface PlatformFilter {
  readonly destination?: Destination | undefined
  /** The module of ops files, or the audit type of audit files. */
  readonly label?: string | undefined
}

/** All of the platform's files, newest first. Throws INVALID_CURSOR. */
export async function listPlatformAssets(
  database: Queryable,
  filter: PlatformFilter,
  page: { readonly limit: number; readonly cursor: string | undefined },
): Promise<PageOf<PlatformAsset>> {
  const list = { list: 'platform', ...filter }
  const { destination, label } = filter
  const beforeId = page.cursor === undefined ? undefined : openCursor(list, page.cursor)
  const { rows } = await database.query<PlatformAsset>(sql`
    SELECT ${assetColumns} FROM assets
    WHERE purpose <> 'user' AND deleted_at IS NULL
      ${destination === undefined ? empty : sql`AND purpose = ${destination}::asset_purpose`}
      ${label === undefined ? empty : sql`AND module = ${label}`}
      ${beforeId === undefined ? empty : sql`AND id < ${beforeId}`}
    ORDER BY id DESC LIMIT ${page.limit + 1}
  `)
  const items = rows.slice(0, page.limit)
  const last = items.at(-1)
  const nextCursor = rows.length > page.limit && last ? sealCursor(list, last.id) : null
  return { items, nextCursor }
}

export async function findPlatformAsset(
  database: Queryable,
  assetId: AssetId,
): Promise<PlatformAsset | undefined> {
  const { rows } = await database.query<PlatformAsset>(sql`
    SELECT ${assetColumns} FROM assets
    WHERE id = ${assetId} AND purpose <> 'user' AND deleted_at IS NULL
  `)
  return rows[0]
}

/**
 * A file for an administrator to look at. That the bytes of an audit file are handed to whoever
 * uploaded it is in its history first; others say why (moderation.ts). Throws NOT_FOUND.
 */
export async function readPlatformAsset(
  database: Database,
  assetId: AssetId,
  reader: { readonly id: UserId },
): Promise<{ asset: PlatformAsset; isHandedOut: boolean }> {
  return inTransaction(database, async tx => {
    const asset = await lockPlatformAsset(tx, assetId)
    if (asset.purpose === 'ops') return { asset, isHandedOut: true }
    const isHandedOut = asset.userId === reader.id
    if (isHandedOut) await recordEvent(tx, assetId, { type: 'read', actorId: reader.id })
    return { asset, isHandedOut }
  })
}

/**
 * Takes the file out of every list; its bytes go when continueDeletion is called, or with the
 * sweeper, and the edges forget an ops file. Throws NOT_FOUND, so also the second time.
 */
export async function openPlatformDeletion(
  tx: Transaction,
  assetId: AssetId,
  actor: { readonly id: UserId },
): Promise<{ asset: PlatformAsset; deletion: Deletion }> {
  const asset = await lockPlatformAsset(tx, assetId)
  return { asset, deletion: await openDeletion(tx, asset, { actorId: actor.id }) }
}

async function lockPlatformAsset(tx: Transaction, assetId: AssetId): Promise<PlatformAsset> {
  const { rows } = await tx.query<PlatformAsset>(sql`
    SELECT ${assetColumns} FROM assets
    WHERE id = ${assetId} AND purpose <> 'user' AND deleted_at IS NULL FOR UPDATE
  `)
  const [asset] = rows
  if (asset === undefined) throw new AppError('NOT_FOUND')
  return asset
}
