import assert from 'node:assert/strict'
import { newId, type AssetId, type UserId } from '@funmagic/contract/ids'
import type { PageOf } from '@funmagic/contract/page'
import { AppError } from '@funmagic/contract/problem'
import {
  shareLinkDefaultSeconds,
  type CreateShareLink,
  type EditShareLink,
  type ShareLinkView,
} from '@funmagic/contract/share-link'
import type { Database, Queryable } from '@funmagic/database/client'
import { empty, sql } from '@funmagic/database/sql'
import { inTransaction, type Transaction } from '@funmagic/database/transaction'
import { openCursor, sealCursor } from './cursors.ts'
import { digestOfRequest, digestToken, hashPassword } from './share-secrets.ts'

/** Links of a user that can be opened at once. */
export const shareLinksMax = 200

interface LinkRow {
  readonly id: string
  readonly title: string | null
  readonly assetIds: AssetId[]
  readonly hasPassword: boolean
  readonly allowDownload: boolean
  readonly showPrompt: boolean
  readonly views: number
  readonly downloads: number
  readonly lastOpenedAt: Date | null
  readonly expiresAt: Date
  readonly revokedAt: Date | null
  readonly createdAt: Date
}

export interface OwnLink {
  readonly userId: UserId
  readonly linkId: string
}

export interface ShareLinkDeps {
  readonly database: Database
  readonly tokenOf: (linkId: string) => string
}

const linkColumns = sql`
  l.id, l.title, l.password_hash IS NOT NULL AS "hasPassword",
  l.allow_download AS "allowDownload", l.show_prompt AS "showPrompt",
  l.views::float8 AS views, l.downloads::float8 AS downloads,
  l.last_opened_at AS "lastOpenedAt", l.expires_at AS "expiresAt", l.revoked_at AS "revokedAt",
  l.created_at AS "createdAt",
  ARRAY(SELECT s.asset_id FROM share_link_assets s JOIN assets a ON a.id = s.asset_id
    WHERE s.link_id = l.id AND a.deleted_at IS NULL ORDER BY s.position) AS "assetIds"`

/**
 * Lets whoever has the token see these assets of the user's, private ones too (P4). The same
 * Idempotency-Key brings the same link and token. Throws NOT_FOUND when one is not the user's,
 * TOO_MANY_SHARE_LINKS and IDEMPOTENCY_MISMATCH.
 */
export async function createShareLink(
  { database, tokenOf }: ShareLinkDeps,
  request: {
    readonly userId: UserId
    readonly body: CreateShareLink
    readonly idempotency: { readonly key: string; readonly requestHash: string } | undefined
  },
): Promise<{ link: ShareLinkView; token: string }> {
  const { userId, body, idempotency } = request
  // Before the transaction: it takes a tenth of a second.
  const passwordHash = body.password === undefined ? null : await hashPassword(body.password)
  return inTransaction(database, async tx => {
    await tx.query(sql`
      SELECT pg_advisory_xact_lock(hashtextextended(${`share_links/${userId}`}, 0))
    `)
    const earlierId = idempotency && (await findEarlier(tx, { userId, ...idempotency }, tokenOf))
    if (earlierId !== undefined) {
      const link = await readShareLink(tx, { userId, linkId: earlierId })
      return { link, token: tokenOf(earlierId) }
    }
    await refuseTooMany(tx, userId)
    const linkId = newId()
    const token = tokenOf(linkId)
    const digest = idempotency ? digestOfRequest(token, idempotency.requestHash) : null
    await tx.query(sql`
      INSERT INTO share_links (id, user_id, token_hash, title, password_hash, allow_download,
        show_prompt, expires_at, idempotency_key, request_hash)
      VALUES (${linkId}, ${userId}, ${digestToken(token)}, ${body.title ?? null}, ${passwordHash},
        ${body.allow?.download ?? false}, ${body.allow?.showPrompt ?? false},
        now() + ${body.expiresInSeconds ?? shareLinkDefaultSeconds} * interval '1 second',
        ${idempotency?.key ?? null}, ${digest})
    `)
    await addAssets(tx, { userId, linkId }, body.assetIds)
    return { link: await readShareLink(tx, { userId, linkId }), token }
  })
}

/** The user's links, newest first; those that have ended too. Throws INVALID_CURSOR. */
export async function listShareLinks(
  database: Queryable,
  userId: UserId,
  page: { readonly limit: number; readonly cursor: string | undefined },
): Promise<PageOf<ShareLinkView>> {
  const list = { list: 'share-links', userId }
  const beforeId = page.cursor === undefined ? undefined : openCursor(list, page.cursor)
  const { rows } = await database.query<LinkRow>(sql`
    SELECT ${linkColumns} FROM share_links l
    WHERE l.user_id = ${userId} ${beforeId === undefined ? empty : sql`AND l.id < ${beforeId}`}
    ORDER BY l.id DESC LIMIT ${page.limit + 1}
  `)
  const items = rows.slice(0, page.limit).map(describe)
  const last = items.at(-1)
  const nextCursor = rows.length > page.limit && last ? sealCursor(list, last.id) : null
  return { items, nextCursor }
}

/** Throws NOT_FOUND for a link that is not the user's. */
export async function readShareLink(database: Queryable, own: OwnLink): Promise<ShareLinkView> {
  const { rows } = await database.query<LinkRow>(sql`
    SELECT ${linkColumns} FROM share_links l
    WHERE l.id = ${own.linkId} AND l.user_id = ${own.userId}
  `)
  const [link] = rows
  if (link === undefined) throw new AppError('NOT_FOUND')
  return describe(link)
}

/**
 * Changes what the link allows, from its next use on; what is not given stays. Another password
 * ends the proofs of the one before. Throws NOT_FOUND, and CONFLICT for a revoked link.
 */
export async function editShareLink(
  database: Database,
  own: OwnLink,
  edit: EditShareLink,
): Promise<ShareLinkView> {
  const { expiresInSeconds, password, allow, title } = edit
  const passwordHash = typeof password === 'string' ? await hashPassword(password) : null
  return inTransaction(database, async tx => {
    const { rowCount } = await tx.query(sql`
      UPDATE share_links SET title = ${title === undefined ? sql`title` : sql`${title}`},
        password_hash = ${password === undefined ? sql`password_hash` : sql`${passwordHash}`},
        allow_download = coalesce(${allow?.download ?? null}, allow_download),
        show_prompt = coalesce(${allow?.showPrompt ?? null}, show_prompt)
        ${
          expiresInSeconds === undefined
            ? empty
            : sql`, expires_at = now() + ${expiresInSeconds} * interval '1 second'`
        }
      WHERE id = ${own.linkId} AND user_id = ${own.userId} AND revoked_at IS NULL
    `)
    const link = await readShareLink(tx, own)
    if (rowCount === 0) throw new AppError('CONFLICT')
    return link
  })
}

/** Ends the link for good, at once; again is the same. Throws NOT_FOUND. */
export async function revokeShareLink(database: Database, own: OwnLink): Promise<void> {
  await inTransaction(database, async tx => {
    const { rowCount } = await tx.query(sql`
      UPDATE share_links SET revoked_at = now()
      WHERE id = ${own.linkId} AND user_id = ${own.userId} AND revoked_at IS NULL
    `)
    const { assetIds } = await readShareLink(tx, own)
    if (rowCount === 0) return
    await recordLinkEvents(tx, {
      ...own,
      type: 'share_link_revoked',
      actorId: own.userId,
      assetIds,
    })
  })
}

/** Writes into the history of each of the assets what happened to the link. */
export async function recordLinkEvents(
  tx: Transaction,
  event: {
    readonly linkId: string
    readonly type: 'share_link_created' | 'share_link_opened' | 'share_link_revoked'
    readonly actorId: UserId | null
    readonly assetIds: readonly AssetId[]
  },
): Promise<void> {
  const detail = JSON.stringify({ linkId: event.linkId })
  const ids = event.assetIds.map(() => newId())
  await tx.query(sql`
    INSERT INTO asset_events (id, asset_id, type, actor_id, detail)
    SELECT id, asset_id, ${event.type}, ${event.actorId}::uuid, ${detail}::jsonb
    FROM unnest(${ids}::uuid[], ${event.assetIds}::uuid[]) AS e (id, asset_id)
  `)
}

async function findEarlier(
  tx: Transaction,
  repeat: { userId: UserId; key: string; requestHash: string },
  tokenOf: ShareLinkDeps['tokenOf'],
): Promise<string | undefined> {
  const { rows } = await tx.query<{ id: string; requestHash: string }>(sql`
    SELECT id, request_hash AS "requestHash" FROM share_links
    WHERE user_id = ${repeat.userId} AND idempotency_key = ${repeat.key}
  `)
  const [earlier] = rows
  if (earlier === undefined) return undefined
  const digest = digestOfRequest(tokenOf(earlier.id), repeat.requestHash)
  if (earlier.requestHash !== digest) throw new AppError('IDEMPOTENCY_MISMATCH')
  return earlier.id
}

async function refuseTooMany(tx: Transaction, userId: UserId): Promise<void> {
  const { rows } = await tx.query<{ live: number }>(sql`
    SELECT count(*)::int AS live FROM share_links
    WHERE user_id = ${userId} AND revoked_at IS NULL AND expires_at > now()
  `)
  if ((rows[0]?.live ?? 0) >= shareLinksMax) throw new AppError('TOO_MANY_SHARE_LINKS')
}

async function addAssets(
  tx: Transaction,
  { userId, linkId }: OwnLink,
  assetIds: readonly AssetId[],
): Promise<void> {
  assert(assetIds.length > 0, 'a link shows something')
  const { rowCount } = await tx.query(sql`
    INSERT INTO share_link_assets (link_id, asset_id, position)
    SELECT ${linkId}, a.id, wanted.position
    FROM unnest(${assetIds}::uuid[]) WITH ORDINALITY AS wanted (id, position)
    JOIN assets a ON a.id = wanted.id
    WHERE a.user_id = ${userId} AND a.deleted_at IS NULL AND a.purpose = 'user'
      AND a.visibility IN ('private', 'public')
  `)
  if (rowCount !== assetIds.length) throw new AppError('NOT_FOUND')
  const type = 'share_link_created'
  await recordLinkEvents(tx, { linkId, type, actorId: userId, assetIds })
}

function describe({ allowDownload, showPrompt, ...link }: LinkRow): ShareLinkView {
  return {
    ...link,
    allow: { download: allowDownload, showPrompt },
    lastOpenedAt: link.lastOpenedAt?.toISOString() ?? null,
    expiresAt: link.expiresAt.toISOString(),
    revokedAt: link.revokedAt?.toISOString() ?? null,
    createdAt: link.createdAt.toISOString(),
  }
}
