import type { UserId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'
import { recordEvent } from './asset-rows.ts'
import { placeOf, type Asset } from './asset.ts'
import { callOffMove, continueMove, keptSeconds, openRemoval, type MoveDeps } from './moves.ts'
import { StoreFailure } from './object-store.ts'

/** Bytes of a deleted asset that are to go. */
export interface Deletion {
  readonly moveId: string
  /** How long addresses that were handed out still keep their promise. */
  readonly afterSeconds: number
}

/** Takes an asset, whose row the caller holds, out of every list, and opens the removal of it. */
export async function openDeletion(
  tx: Transaction,
  asset: Asset,
  by: { readonly actorId: UserId; readonly detail?: { readonly reason: string } },
): Promise<Deletion> {
  await tx.query(sql`
    UPDATE assets SET deleted_at = now(), version = version + 1, updated_at = now()
    WHERE id = ${asset.id}
  `)
  await callOffMove(tx, asset.id)
  await recordEvent(tx, asset.id, { type: 'deleted', ...by })
  const place = placeOf(asset)
  const afterSeconds = keptSeconds(place.bucket)
  return { moveId: await openRemoval(tx, { assetId: asset.id, place, afterSeconds }), afterSeconds }
}

/** Removes what is to go at once: public bytes. The rest, and what fails, is the sweeper's. */
export async function continueDeletion(
  deps: MoveDeps,
  { moveId, afterSeconds }: Deletion,
  signal: AbortSignal,
): Promise<void> {
  if (afterSeconds > 0) return
  try {
    await continueMove(deps, moveId, signal)
  } catch (error) {
    // The asset is gone from every list all the same, and the sweeper removes its bytes.
    if (!(error instanceof StoreFailure)) throw error
  }
}
