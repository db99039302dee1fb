import assert from 'node:assert/strict'
import { newId, type AssetId, type UserId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'
import { derivativePresets, type Asset, type AssetPurpose, type NewAsset } from './asset.ts'
import { isPicture } from './media-types.ts'

/** The columns of `assets` by the names that the code uses. */
export const assetColumns = sql`
  id, user_id AS "userId", module, bucket, storage_key AS "storageKey", visibility, purpose,
  filename,
  mime_type AS "mimeType", size AS "sizeBytes", sha256, width, height, derivatives, thumbhash, tags,
  task_id AS "taskId", task_output AS "taskOutput", version,
  created_at AS "createdAt", published_at AS "publishedAt"`

/** An administrator, and the reason that the owner is told. */
export interface Moderator {
  readonly id: UserId
  readonly reason: string
}

export type AssetEvent =
  | { readonly type: 'created'; readonly actorId?: UserId }
  | {
      readonly type: 'published' | 'unpublished' | 'deleted' | 'read'
      readonly actorId: UserId
      readonly detail?: { readonly reason?: string | undefined }
    }
  /** When the public address was seen to refuse it, after it was public no longer. */
  | { readonly type: 'revoked'; readonly detail: { readonly seconds: number } }
  | { readonly type: 'moved'; readonly detail: { readonly from: string; readonly to: string } }

const visibilityOf = { user: 'private', ops: 'public', audit: 'admin-private' } as const

/** Undefined when the task has an asset for this output already; then nothing is written. */
export async function insertAsset(
  tx: Transaction,
  asset: NewAsset,
  purpose: AssetPurpose = 'user',
  madeOf?: AssetId,
): Promise<Asset | undefined> {
  const { rows } = await tx.query<Asset>(sql`
    INSERT INTO assets (id, user_id, module, bucket, storage_key, filename, mime_type, size,
      sha256, width, height, derivatives, thumbhash, derivatives_due_at, task_id, task_output,
      purpose, visibility, published_at, parent_asset_id)
    VALUES (${asset.id}, ${asset.userId}, ${asset.module}, ${asset.bucket}::asset_bucket,
      ${asset.storageKey}, ${asset.filename}, ${asset.mimeType}, ${asset.sizeBytes},
      ${asset.sha256}, ${asset.width}, ${asset.height},
      ${asset.derivatives}, ${asset.thumbhash}, ${lacksDerivatives(asset) ? sql`now()` : null},
      ${asset.taskId}, ${asset.taskOutput},
      ${purpose}::asset_purpose, ${visibilityOf[purpose]}::asset_visibility,
      ${purpose === 'ops' ? sql`now()` : null}, ${madeOf ?? null})
    ON CONFLICT (task_id, task_output) DO NOTHING
    RETURNING ${assetColumns}
  `)
  const [inserted] = rows
  const by = purpose === 'user' ? {} : { actorId: asset.userId }
  if (inserted) await recordEvent(tx, asset.id, { type: 'created', ...by })
  return inserted
}

/** The sweeper makes what is missing; nothing can be made of what is no picture. */
function lacksDerivatives({ mimeType, derivatives }: NewAsset): boolean {
  return isPicture(mimeType) && derivatives.length < derivativePresets.length
}

/** Adds to the history that answers who could see an asset, and when (A2). */
export async function recordEvent(
  tx: Transaction,
  assetId: AssetId,
  event: AssetEvent,
): Promise<void> {
  const actorId = 'actorId' in event ? (event.actorId ?? null) : null
  const detail = 'detail' in event ? (event.detail ?? {}) : {}
  const { rowCount } = await tx.query(sql`
    INSERT INTO asset_events (id, asset_id, type, actor_id, detail)
    VALUES (${newId()}, ${assetId}, ${event.type}, ${actorId}, ${JSON.stringify(detail)}::jsonb)
  `)
  assert(rowCount === 1, 'an event is written')
}
