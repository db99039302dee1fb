import assert from 'node:assert/strict'
import { newId, type AssetId, type UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import { sql } from '@funmagic/database/sql'
import { inTransaction, type Transaction } from '@funmagic/database/transaction'
import { assetColumns, recordEvent, type Moderator } from './asset-rows.ts'
import { placeOf, type Asset } from './asset.ts'
import { findAsset } from './catalog.ts'
import { continueDeletion, openDeletion } from './deletions.ts'
import {
  callOffMove,
  claimMoveOf,
  continueMove,
  type MoveClaim,
  type MoveDeps,
  openMove,
} from './moves.ts'
import { freshPrivatePlace, freshPublicPlace } from './object-keys.ts'
import { StoreFailure } from './object-store.ts'
import { claimRevocationOf, sendRevocation } from './revocations.ts'

// Publishing never breaks a link (decision 5): the visibility is the permission and changes at
// once; the bytes follow, and at every moment resolveUrl gives the address where they are. A move
// is copying exactly while visibility and bucket disagree, so turning back calls the move off.

interface OwnAsset {
  readonly userId: UserId
  readonly assetId: AssetId
  /** Who does it in the owner's place, and why: administrators unpublish and delete (S6). */
  readonly moderator?: Moderator | undefined
}

/** What the owner says with a publication (P5). */
export interface NewPost {
  readonly caption: string | null
  readonly showPrompt: boolean
  /** Kept only when it is shown. */
  readonly prompt: string | null
  readonly allowRemix: boolean
  /** What it was made with. */
  readonly toolSlug: string | null
  readonly stepId: string | null
}

const saysNothing: NewPost = {
  caption: null,
  showPrompt: false,
  prompt: null,
  allowRemix: false,
  toolSlug: null,
  stepId: null,
}

interface Publication extends OwnAsset {
  /** Undefined says nothing, and of a published asset changes nothing. */
  readonly post?: NewPost | undefined
}

export interface Published {
  readonly asset: Asset
  /** False when the asset was as wanted already. */
  readonly isChanged: boolean
}

type Audience = 'public' | 'private'

/**
 * Makes the asset public at once, and moves its bytes to the public bucket within the signal or
 * later by the sweeper. Repeating it changes nothing but what is said with it. NOT_FOUND for an
 * asset that is not the user's, ASSET_BYTES_MISSING when there is nothing to be shown.
 */
export async function publishAsset(
  deps: MoveDeps,
  own: Publication,
  signal: AbortSignal,
): Promise<Published> {
  await refuseWithoutBytes(deps, own)
  const changed = await inTransaction(deps.database, async tx => {
    const change = await changeVisibility(tx, own, 'public')
    await recordPost(tx, own, change)
    return change
  })
  const claim = await claimMove(deps, changed)
  if (claim.kind !== 'claimed') return changed
  try {
    await continueMove(deps, claim.moveId, signal)
  } catch (error) {
    // The asset is public all the same, and the sweeper goes on with its bytes.
    if (!(error instanceof StoreFailure)) throw error
  }
  return { ...changed, asset: await readAsset(deps, own) }
}

/**
 * Makes the asset private at once, and resolves when nobody can fetch its bytes from the public
 * bucket any more; what the edges still hold is invalidated. Repeating it is harmless. Throws
 * UNAVAILABLE when the bytes cannot be moved now and ASSET_BUSY while somebody else moves them:
 * the sweeper does it, and a repeat tells when it is done. NOT_FOUND for another's asset.
 */
export async function unpublishAsset(
  deps: MoveDeps,
  own: OwnAsset,
  signal: AbortSignal,
): Promise<Published> {
  const changed = await inTransaction(deps.database, tx => changeVisibility(tx, own, 'private'))
  const claim = await claimMove(deps, changed)
  if (claim.kind === 'busy') throw new AppError('ASSET_BUSY', { retryAfterSeconds: 1 })
  if (claim.kind === 'claimed') await continueMove(deps, claim.moveId, signal)
  else await tellEdges(deps, own.assetId)
  return { ...changed, asset: await readAsset(deps, own) }
}

/**
 * Takes the asset out of every list at once. Its bytes go when the last address that was given out
 * has expired, public ones right away. NOT_FOUND for an asset that is not the user's, so also the
 * second time.
 */
export async function deleteAsset(
  deps: MoveDeps,
  own: OwnAsset,
  signal: AbortSignal,
): Promise<void> {
  const deletion = await inTransaction(deps.database, async tx =>
    openDeletion(tx, await lockAsset(tx, own), actorOf(own)),
  )
  await continueDeletion(deps, deletion, signal)
}

function actorOf({ userId, moderator }: OwnAsset) {
  if (moderator === undefined) return { actorId: userId }
  return { actorId: moderator.id, detail: { reason: moderator.reason } }
}

interface Changed extends Published {
  /** The move that this change has opened. */
  readonly moveId: string | undefined
}

/** The move that this request has opened is its own; one that was left behind may be taken over. */
async function claimMove(deps: MoveDeps, { moveId, asset }: Changed): Promise<MoveClaim> {
  if (moveId !== undefined) return { kind: 'claimed', moveId }
  return claimMoveOf(deps.database, asset.id)
}

/**
 * A row whose bytes are gone is not made public (S-4). A store that does not answer is no reason
 * to refuse: the sweeper moves the bytes later.
 */
async function refuseWithoutBytes({ database, store }: MoveDeps, own: OwnAsset): Promise<void> {
  const asset = await findAsset(database, own)
  if (asset?.visibility !== 'private') return
  try {
    if ((await store.find(placeOf(asset))) !== undefined) return
  } catch (error) {
    if (error instanceof StoreFailure) return
    throw error
  }
  const now = await findAsset(database, own)
  // It has moved in between: the bytes are where it is now.
  if (now?.storageKey === asset.storageKey) throw new AppError('ASSET_BYTES_MISSING')
}

/** A publication has a post of its own; saying something of a published asset changes its post. */
async function recordPost(tx: Transaction, own: Publication, change: Changed): Promise<void> {
  if (!change.isChanged && own.post === undefined) return
  const { caption, showPrompt, allowRemix, toolSlug, stepId, ...facts } = own.post ?? saysNothing
  const prompt = showPrompt ? facts.prompt : null
  const { rowCount } = await tx.query(sql`
    UPDATE posts SET caption = ${caption}, show_prompt = ${showPrompt}, prompt = ${prompt},
      allow_remix = ${allowRemix}, tool_slug = ${toolSlug}, step_id = ${stepId}, updated_at = now()
    WHERE id = (SELECT post_id FROM assets WHERE id = ${own.assetId})
  `)
  if (rowCount === 1) return
  const id = newId()
  await tx.query(sql`
    INSERT INTO posts (id, asset_id, caption, show_prompt, prompt, allow_remix, tool_slug, step_id)
    VALUES (${id}, ${own.assetId}, ${caption}, ${showPrompt}, ${prompt}, ${allowRemix},
      ${toolSlug}, ${stepId})
  `)
  await tx.query(sql`UPDATE assets SET post_id = ${id} WHERE id = ${own.assetId}`)
}

/** An unpublication that died after its bytes had gone may have left the edges untold. */
async function tellEdges({ database, cdn }: MoveDeps, assetId: AssetId): Promise<void> {
  if (cdn === undefined) return
  const claim = await claimRevocationOf(database, assetId)
  if (claim.kind === 'busy') throw new AppError('ASSET_BUSY', { retryAfterSeconds: 1 })
  if (claim.kind === 'claimed') await sendRevocation({ database, cdn }, claim.revocationId)
}

async function changeVisibility(
  tx: Transaction,
  own: OwnAsset,
  audience: Audience,
): Promise<Changed> {
  const asset = await lockAsset(tx, own)
  if (asset.visibility === audience) return { asset, isChanged: false, moveId: undefined }
  const { rows } = await tx.query<Asset>(sql`
    UPDATE assets SET visibility = ${audience}::asset_visibility,
      published_at = ${audience === 'public' ? sql`now()` : sql`NULL`},
      post_id = NULL, version = version + 1, updated_at = now()
    WHERE id = ${asset.id}
    RETURNING ${assetColumns}
  `)
  const [changed] = rows
  assert(changed, 'the row is locked')
  const type = audience === 'public' ? 'published' : 'unpublished'
  await recordEvent(tx, asset.id, { type, ...actorOf(own) })
  return { asset: changed, isChanged: true, moveId: await redirectBytes(tx, changed, audience) }
}

/** Bytes that never left need not move back. */
async function redirectBytes(
  tx: Transaction,
  asset: Asset,
  audience: Audience,
): Promise<string | undefined> {
  if (asset.bucket === audience) {
    await callOffMove(tx, asset.id)
    return undefined
  }
  const to = audience === 'public' ? freshPublicPlace(asset) : freshPrivatePlace(asset)
  return openMove(tx, { assetId: asset.id, from: placeOf(asset), to })
}

/** The platform's files are not reached by the routes of users (reliability S11). */
async function lockAsset(tx: Transaction, own: OwnAsset): Promise<Asset> {
  const { rows } = await tx.query<Asset>(sql`
    SELECT ${assetColumns} FROM assets
    WHERE id = ${own.assetId} AND user_id = ${own.userId} AND deleted_at IS NULL
      AND purpose = 'user'
    FOR UPDATE
  `)
  const [asset] = rows
  if (asset === undefined) throw new AppError('NOT_FOUND')
  return asset
}

async function readAsset(deps: MoveDeps, own: OwnAsset): Promise<Asset> {
  const asset = await findAsset(deps.database, own)
  if (asset === undefined) throw new AppError('NOT_FOUND')
  return asset
}
