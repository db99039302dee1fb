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

interface GalleryPage {
  readonly limit: number
  readonly cursor: string | undefined
  /** Other than searchedRowsMax, for tests. */
  readonly searchedMax?: number
}

/**
 * What a page looks through at most when it is narrowed. A gallery may have a million rows, and an
 * index does not help: Postgres cannot tell words that are everywhere from words that are nowhere
 * (docs/bench.md), and an index of everybody's words grows with everybody.
 */
const searchedRowsMax = 20_000

/**
 * A user's assets, newest first, in one query. A page begins after the last row of the one before,
 * so nothing that comes or goes in between shows a row twice or leaves one out. When a filter finds
 * little, a page ends where it has looked through enough: it may be short or empty, and the next
 * one goes on from there. Throws INVALID_CURSOR for a cursor of another user or filter.
 */
export async function listAssets(
  database: Queryable,
  gallery: { readonly userId: UserId; readonly filter: GalleryFilter },
  { limit, cursor, searchedMax = searchedRowsMax }: GalleryPage,
): Promise<PageOf<Asset>> {
  const list = { list: 'gallery', ...gallery.filter, userId: gallery.userId }
  const beforeId = cursor === undefined ? undefined : openCursor(list, cursor)
  const own = sql`
    user_id = ${gallery.userId} AND deleted_at IS NULL AND purpose = 'user'
    ${beforeId === undefined ? empty : sql`AND id < ${beforeId}`}`
  const conditions = conditionsOf(gallery.filter)
  const page =
    conditions.length === 0 ? walk(own, limit) : search({ own, conditions }, { limit, searchedMax })
  const { rows } = await database.query<Asset & { isEdge: boolean }>(page)
  const items = rows.filter(({ isEdge }) => !isEdge).slice(0, limit)
  const last = items.length === limit ? items.at(-1) : rows.find(({ isEdge }) => isEdge)
  const nextCursor = rows.length > items.length && last ? sealCursor(list, last.id) : null
  return { items: items.map(({ isEdge: _isEdge, ...asset }) => asset), nextCursor }
}

/** In the order that the index `assets_gallery` has them. */
function walk(own: Sql, limit: number): Sql {
  return sql`
    SELECT ${assetColumns}, false AS "isEdge" FROM assets WHERE ${own}
    ORDER BY id DESC LIMIT ${limit + 1}`
}

/**
 * The same within the next rows; when they do not fill the page, the last of them follows as the
 * edge, found in the same snapshot. It is not looked for when the page is full.
 */
function search(
  { own, conditions }: { own: Sql; conditions: readonly Sql[] },
  { limit, searchedMax }: { limit: number; searchedMax: number },
): Sql {
  return sql`
    (SELECT ${assetColumns}, false AS "isEdge"
     FROM (SELECT * FROM assets WHERE ${own} ORDER BY id DESC LIMIT ${searchedMax}) AS assets
     WHERE ${join([...conditions], ' AND ')} ORDER BY id DESC LIMIT ${limit + 1})
    UNION ALL
    (SELECT ${assetColumns}, true FROM assets WHERE ${own}
     ORDER BY id DESC OFFSET ${searchedMax - 1} LIMIT 1)
    LIMIT ${limit + 1}`
}

function conditionsOf(filter: GalleryFilter): Sql[] {
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
  return conditions
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
