import type { AssetId, UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import type { Database, Queryable } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import { assetColumns } from './asset-rows.ts'
import type { Asset } from './asset.ts'
import { recordLinkEvents } from './share-links.ts'
import { digestToken, isPassword, isProof, proveAccess, type ShareProof } from './share-secrets.ts'

/** A link that can be opened now. */
export interface LiveLink {
  readonly id: string
  readonly userId: UserId
  readonly title: string | null
  readonly passwordHash: string | null
  readonly allowDownload: boolean
  readonly showPrompt: boolean
  readonly expiresAt: Date
}

const attemptsMax = 10
const attemptsWindowSeconds = 900
const isLive = sql`revoked_at IS NULL AND expires_at > now()`

/** NOT_FOUND for a token that is wrong, revoked or over: nothing tells which. */
export async function readLiveLink(database: Queryable, token: string): Promise<LiveLink> {
  const { rows } = await database.query<LiveLink>(sql`
    SELECT id, user_id AS "userId", title, password_hash AS "passwordHash",
      allow_download AS "allowDownload", show_prompt AS "showPrompt", expires_at AS "expiresAt"
    FROM share_links WHERE token_hash = ${digestToken(token)} AND ${isLive}
  `)
  const [link] = rows
  if (link === undefined) throw new AppError('NOT_FOUND')
  return link
}

/**
 * Lets in whoever has the password of the link, or a proof of having had it; null for a link
 * without one. Throws PASSWORD_REQUIRED, PASSWORD_WRONG, and RATE_LIMITED after ten passwords in
 * a quarter of an hour, whoever sends them and however many at once.
 */
export async function admitVisitor(
  database: Queryable,
  { id, passwordHash }: LiveLink,
  shown: { readonly password?: string | undefined; readonly proof?: string | undefined },
): Promise<ShareProof | null> {
  if (passwordHash === null) return null
  const link = { id, passwordHash }
  if (shown.proof !== undefined && isProof(shown.proof, link, Date.now())) {
    return { value: shown.proof, expiresAt: new Date(Number(shown.proof.split('.')[0])) }
  }
  if (shown.password === undefined) throw new AppError('PASSWORD_REQUIRED')
  await countAttempt(database, id)
  if (!(await isPassword(shown.password, passwordHash))) throw new AppError('PASSWORD_WRONG')
  await database.query(sql`
    UPDATE share_links SET attempts = greatest(attempts - 1, 0) WHERE id = ${id}
  `)
  return proveAccess(link, Date.now())
}

/** Before the password is looked at, so that many at once are counted too. */
async function countAttempt(database: Queryable, linkId: string): Promise<void> {
  const isOver = sql`attempts_since < now() - ${attemptsWindowSeconds} * interval '1 second'`
  const { rowCount } = await database.query(sql`
    UPDATE share_links SET attempts = CASE WHEN ${isOver} THEN 1 ELSE attempts + 1 END,
      attempts_since = CASE WHEN ${isOver} THEN now() ELSE attempts_since END
    WHERE id = ${linkId} AND (attempts < ${attemptsMax} OR ${isOver})
  `)
  if (rowCount === 0) {
    throw new AppError('RATE_LIMITED', { retryAfterSeconds: attemptsWindowSeconds })
  }
}

/**
 * Counts a visit, and brings what is still there of the link's assets. The history of each asset
 * gets one event for the first visit of a day (UTC). NOT_FOUND when the link has ended meanwhile.
 */
export async function visitShareLink(database: Database, { id }: LiveLink): Promise<Asset[]> {
  return inTransaction(database, async tx => {
    const { rows } = await tx.query<{ isFirst: boolean }>(sql`
      UPDATE share_links l SET views = l.views + 1, last_opened_at = now()
      FROM (SELECT id, last_opened_at FROM share_links WHERE id = ${id} AND ${isLive} FOR UPDATE)
        AS before
      WHERE l.id = before.id
      RETURNING before.last_opened_at IS NULL OR date_trunc('day', before.last_opened_at, 'UTC')
        < date_trunc('day', now(), 'UTC') AS "isFirst"
    `)
    const [visit] = rows
    if (visit === undefined) throw new AppError('NOT_FOUND')
    const assets = await listAssetsOfLink(tx, id)
    if (visit.isFirst) {
      const assetIds = assets.map(asset => asset.id)
      await recordLinkEvents(tx, { linkId: id, type: 'share_link_opened', actorId: null, assetIds })
    }
    return assets
  })
}

/**
 * Counts a download of one of the link's assets. NOT_FOUND when it is none of them, or when the
 * link has ended; FORBIDDEN when it does not allow downloads.
 */
export async function takeSharedOriginal(
  database: Database,
  link: LiveLink,
  assetId: AssetId,
): Promise<Asset> {
  return inTransaction(database, async tx => {
    const asset = (await listAssetsOfLink(tx, link.id)).find(({ id }) => id === assetId)
    if (asset === undefined) throw new AppError('NOT_FOUND')
    if (!link.allowDownload) throw new AppError('FORBIDDEN')
    const { rowCount } = await tx.query(sql`
      UPDATE share_links SET downloads = downloads + 1
      WHERE id = ${link.id} AND ${isLive} AND allow_download
    `)
    if (rowCount === 0) throw new AppError('NOT_FOUND')
    return asset
  })
}

async function listAssetsOfLink(database: Queryable, linkId: string): Promise<Asset[]> {
  const { rows } = await database.query<Asset>(sql`
    SELECT ${assetColumns} FROM assets JOIN share_link_assets s ON s.asset_id = assets.id
    WHERE s.link_id = ${linkId} AND deleted_at IS NULL AND visibility <> 'admin-private'
    ORDER BY s.position
  `)
  return rows
}
