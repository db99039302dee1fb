import type { AssetEventView } from '@funmagic/contract/gallery'
import type { AssetId, UserId } from '@funmagic/contract/ids'
import type { PageOf } from '@funmagic/contract/page'
import { AppError } from '@funmagic/contract/problem'
import type { Queryable } from '@funmagic/database/client'
import { empty, sql } from '@funmagic/database/sql'
import { openCursor, sealCursor } from './cursors.ts'

interface EventRow {
  readonly id: string
  readonly type: string
  readonly actorId: UserId | null
  readonly detail: { readonly reason?: unknown }
  readonly createdAt: Date
}

const audiences: Readonly<Record<string, 'owner' | 'link' | 'everybody' | 'nobody'>> = {
  created: 'owner',
  published: 'everybody',
  unpublished: 'owner',
  deleted: 'nobody',
  share_link_created: 'link',
  share_link_opened: 'link',
}

/**
 * Who could see the asset, since when, newest first (A2). Where its bytes were is nobody's
 * business, and which administrator it was is not the owner's. Throws NOT_FOUND for an asset that
 * is not the user's, and INVALID_CURSOR.
 */
export async function listEvents(
  database: Queryable,
  own: { readonly userId: UserId; readonly assetId: AssetId },
  page: { readonly limit: number; readonly cursor: string | undefined },
): Promise<PageOf<AssetEventView>> {
  const list = { list: 'events', ...own }
  const beforeId = page.cursor === undefined ? undefined : openCursor(list, page.cursor)
  const { rows } = await database.query<EventRow | { readonly id: null }>(sql`
    SELECT e.id, e.type, e.actor_id AS "actorId", e.detail, e.created_at AS "createdAt"
    FROM assets a LEFT JOIN asset_events e ON e.asset_id = a.id AND e.type <> 'moved'
      ${beforeId === undefined ? empty : sql`AND e.id < ${beforeId}`}
    WHERE a.id = ${own.assetId} AND a.user_id = ${own.userId} AND a.deleted_at IS NULL
      AND a.purpose = 'user'
    ORDER BY e.id DESC LIMIT ${page.limit + 1}
  `)
  if (rows.length === 0) throw new AppError('NOT_FOUND')
  const events = rows.filter(row => row.id !== null)
  const items = events.slice(0, page.limit).map(row => describe(row, own.userId))
  const last = items.at(-1)
  const nextCursor = events.length > page.limit && last ? sealCursor(list, last.id) : null
  return { items, nextCursor }
}

function describe(event: EventRow, ownerId: UserId): AssetEventView {
  const { id, type, actorId, detail, createdAt } = event
  const isOwner = actorId === ownerId || type === 'created'
  return {
    id,
    type,
    by: isOwner ? 'owner' : actorOf(event),
    visibleTo: audiences[type] ?? null,
    reason: typeof detail.reason === 'string' ? detail.reason : null,
    createdAt: createdAt.toISOString(),
  }
}

function actorOf({ type, actorId }: EventRow): AssetEventView['by'] {
  if (type === 'share_link_opened') return 'visitor'
  return actorId === null ? 'system' : 'administrator'
}
