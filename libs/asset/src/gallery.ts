import type { Visibility } from '@funmagic/contract/asset'
import { assetIdsMax, type AssetKind, type EditAsset } from '@funmagic/contract/gallery'
import type { AssetId, TaskId, UserId } from '@funmagic/contract/ids'
import type { PageOf } from '@funmagic/contract/page'
import { AppError } from '@funmagic/contract/problem'
import type { Queryable } from '@funmagic/database/client'
import { empty, join, sql, type Sql } from '@funmagic/database/sql'
import assert from 'node:assert/strict'
import { assetColumns } from './asset-rows.ts'
import type { Asset } from './asset.ts'
import { openCursor, sealCursor } from './cursors.ts'
import { cleanFilename } from './filenames.ts'

/** What a gallery is narrowed to; all that is given must hold. */
export interface GalleryFilter {
  readonly module?: string | undefined
  readonly visibility?: Exclude<Visibility, 'admin-private'> | undefined
  readonly taskId?: TaskId | undefined
  readonly kind?: AssetKind | undefined
  readonly tags?: readonly string[] | undefined
  readonly createdFrom?: string | undefined
  readonly createdTo?: string | undefined
  /** A part of the filename or of a tag: as it is, without wildcards, whatever the case. */
  readonly q?: string | undefined
}

interface Own {
  readonly userId: UserId
  readonly assetId: AssetId
}

/**
 * A user's assets, newest first, in one query. A page begins after the last row of the one before,
 * so nothing that comes or goes in between shows a row twice or leaves one out. Throws
 * INVALID_CURSOR for a cursor of another user or filter.
 */
export async function listAssets(
  database: Queryable,
  gallery: { readonly userId: UserId; readonly filter: GalleryFilter },
  page: { readonly limit: number; readonly cursor: string | undefined },
): Promise<PageOf<Asset>> {
  const list = { list: 'gallery', ...gallery.filter, userId: gallery.userId }
  const beforeId = page.cursor === undefined ? undefined : openCursor(list, page.cursor)
  const { rows } = await database.query<Asset>(sql`
    SELECT ${assetColumns} FROM assets
    WHERE user_id = ${gallery.userId} AND deleted_at IS NULL AND purpose = 'user'
      ${beforeId === undefined ? empty : sql`AND id < ${beforeId}`}
      ${conditionsOf(gallery.filter)}
    ORDER BY id DESC LIMIT ${page.limit + 1}
  `)
  const items = rows.slice(0, page.limit)
  const last = items.at(-1)
  const nextCursor = rows.length > page.limit && last ? sealCursor(list, last.id) : null
  return { items, nextCursor }
}

/** Every search stays within one user's rows, which the index `assets_gallery` brings in order. */
function conditionsOf(filter: GalleryFilter): Sql {
  const conditions: Sql[] = []
  const { module, visibility, taskId, kind, tags, createdFrom, createdTo, q } = filter
  if (module !== undefined) conditions.push(sql`module = ${module}`)
  if (visibility !== undefined) conditions.push(sql`visibility = ${visibility}::asset_visibility`)
  if (taskId !== undefined) conditions.push(sql`task_id = ${taskId}`)
  if (kind !== undefined) conditions.push(sql`split_part(mime_type, '/', 1) = ${kind}`)
  if (tags !== undefined) conditions.push(sql`tags @> ${cleanTags(tags)}::text[]`)
  if (createdFrom !== undefined) conditions.push(sql`created_at >= ${createdFrom}::timestamptz`)
  if (createdTo !== undefined) conditions.push(sql`created_at < ${createdTo}::timestamptz`)
  if (q !== undefined) {
    // strpos knows no wildcards, so what is searched for needs no escaping.
    const text = q.normalize('NFC').toLowerCase()
    conditions.push(sql`
      strpos(lower(coalesce(filename, '')) || E'\n' || array_to_string(tags, E'\n'), ${text}) > 0`)
  }
  return conditions.length === 0 ? empty : sql`AND ${join(conditions, ' AND ')}`
}

/** The user's assets among these, in their order, in one query. */
export async function findAssets(
  database: Queryable,
  wanted: { readonly userId: UserId; readonly ids: readonly AssetId[] },
): Promise<{ found: Asset[]; missing: AssetId[] }> {
  assert(wanted.ids.length <= assetIdsMax, `at most ${assetIdsMax} assets are read at once`)
  const { rows } = await database.query<Asset>(sql`
    SELECT ${assetColumns} FROM assets
    WHERE id = ANY(${wanted.ids}::uuid[]) AND user_id = ${wanted.userId} AND deleted_at IS NULL
      AND purpose = 'user'
  `)
  const byId = new Map(rows.map(asset => [asset.id, asset]))
  const found = wanted.ids.flatMap(id => byId.get(id) ?? [])
  return { found, missing: wanted.ids.filter(id => !byId.has(id)) }
}

/** Those of the ids that were an asset of the user and are deleted. */
export async function findDeleted(
  database: Queryable,
  wanted: { readonly userId: UserId; readonly ids: readonly AssetId[] },
): Promise<Set<AssetId>> {
  const { rows } = await database.query<{ id: AssetId }>(sql`
    SELECT id FROM assets
    WHERE id = ANY(${wanted.ids}::uuid[]) AND user_id = ${wanted.userId}
      AND deleted_at IS NOT NULL AND purpose = 'user'
  `)
  return new Set(rows.map(({ id }) => id))
}

/**
 * Gives the asset another name or other tags; what is not given stays. Throws NOT_FOUND for an
 * asset that is not the user's.
 */
export async function editAsset(
  database: Queryable,
  { userId, assetId }: Own,
  edit: EditAsset,
): Promise<Asset> {
  const { filename, tags } = edit
  const { rows } = await database.query<Asset>(sql`
    UPDATE assets SET updated_at = now()
      ${filename === undefined ? empty : sql`, filename = ${cleanFilename(filename)}`}
      ${tags === undefined ? empty : sql`, tags = ${cleanTags(tags)}::text[]`}
    WHERE id = ${assetId} AND user_id = ${userId} AND deleted_at IS NULL AND purpose = 'user'
    RETURNING ${assetColumns}
  `)
  const [edited] = rows
  if (edited === undefined) throw new AppError('NOT_FOUND')
  return edited
}

/** As tags are kept: NFC, in lower case, without what cannot be seen, each once. */
function cleanTags(tags: readonly string[]): string[] {
  const clean = tags.map(tag =>
    tag
      .normalize('NFC')
      .toLowerCase()
      .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '')
      .trim(),
  )
  return [...new Set(clean)].filter(tag => tag !== '')
}
