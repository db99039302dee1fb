import { isId, type AssetId, type UserId } from '@funmagic/contract/ids'
import type { PageOf } from '@funmagic/contract/page'
import { AppError } from '@funmagic/contract/problem'
import type { Queryable } from '@funmagic/database/client'
import { empty, sql } from '@funmagic/database/sql'
import { assetColumns } from './asset-rows.ts'
import type { Asset } from './asset.ts'

/** A public asset, and what its owner said with it. */
export interface SharedAsset extends Asset {
  readonly caption: string | null
  /** Null unless its owner shows it. */
  readonly prompt: string | null
  readonly allowRemix: boolean
  readonly toolSlug: string | null
  readonly stepId: string | null
}

/** The published asset that another was made of. */
export interface SharedParent {
  readonly id: AssetId
  readonly userId: UserId
  readonly caption: string | null
}

export interface SharedPage {
  readonly limit: number
  readonly cursor: string | undefined
  readonly module?: string | undefined
  readonly userId?: UserId | undefined
}

const shared = sql`visibility = 'public' AND purpose = 'user' AND deleted_at IS NULL`
const postColumns = sql`p.caption, p.prompt, coalesce(p.allow_remix, false) AS "allowRemix",
  p.tool_slug AS "toolSlug", p.step_id AS "stepId"`

/** A public asset of anybody. */
export async function findSharedAsset(
  database: Queryable,
  assetId: AssetId,
): Promise<SharedAsset | undefined> {
  const { rows } = await database.query<SharedAsset>(sql`
    SELECT a.*, ${postColumns}
    FROM (
      SELECT ${assetColumns}, post_id FROM assets WHERE id = ${assetId} AND ${shared}
    ) AS a LEFT JOIN posts p ON p.id = a.post_id
  `)
  return rows[0]
}

/** What a public asset was made of, when that is public too. */
export async function findSharedParent(
  database: Queryable,
  assetId: AssetId,
): Promise<SharedParent | undefined> {
  const { rows } = await database.query<SharedParent>(sql`
    SELECT parent.id, parent.user_id AS "userId", p.caption
    FROM (SELECT parent_asset_id FROM assets WHERE id = ${assetId} AND ${shared}) AS child
    JOIN (SELECT id, user_id, post_id FROM assets WHERE ${shared}) AS parent
      ON parent.id = child.parent_asset_id
    LEFT JOIN posts p ON p.id = parent.post_id
  `)
  return rows[0]
}

/**
 * What everybody, or one user, has published, last published first. The cursor holds the time and
 * the id of the last one seen, so that it keeps its place when that one is unpublished. Throws
 * INVALID_CURSOR.
 */
export async function listSharedAssets(
  database: Queryable,
  page: SharedPage,
): Promise<PageOf<SharedAsset>> {
  const { limit, module, userId } = page
  const before = page.cursor === undefined ? undefined : readCursor(page.cursor)
  const { rows } = await database.query<SharedAsset>(sql`
    SELECT a.*, ${postColumns}
    FROM (
      SELECT ${assetColumns}, post_id FROM assets
      WHERE ${shared}
        ${before ? sql`AND (published_at, id) < (${before.publishedAt}, ${before.id})` : empty}
        ${module === undefined ? empty : sql`AND module = ${module}`}
        ${userId === undefined ? empty : sql`AND user_id = ${userId}`}
      ORDER BY published_at DESC, id DESC LIMIT ${limit + 1}
    ) AS a LEFT JOIN posts p ON p.id = a.post_id
    ORDER BY a."publishedAt" DESC, a.id DESC
  `)
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  return { items, nextCursor: rows.length > limit && last ? cursorOf(last) : null }
}

const epochMsMax = 8_640_000_000_000_000

function cursorOf(asset: Asset): string {
  return `${asset.publishedAt?.getTime() ?? 0}.${asset.id}`
}

function readCursor(cursor: string): { publishedAt: Date; id: AssetId } {
  const [time = '', id = '', ...rest] = cursor.split('.')
  const isWellFormed = /^\d{1,16}$/.test(time) && isId(id) && rest.length === 0
  if (!isWellFormed || Number(time) > epochMsMax) throw new AppError('INVALID_CURSOR')
  return { publishedAt: new Date(Number(time)), id }
}
