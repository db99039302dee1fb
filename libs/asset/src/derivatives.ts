import type { OutputMimeType } from '@funmagic/contract/asset'
import type { AssetId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import type { Database, Queryable } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'
import { assetColumns } from './asset-rows.ts'
import { placeOf, type Asset, type DerivativePreset, type NewAsset, type Place } from './asset.ts'
import { isPicture } from './media-types.ts'
import { derivativeKey, derivativePlaces, headersFor } from './object-keys.ts'
import { StoreFailure, type ObjectStore } from './object-store.ts'
import { shrinkPicture, type SmallerPictures } from './pictures.ts'
import type { Slots } from './slots.ts'

// The smaller pictures of an asset lie beside it and are made when it comes in. An asset without
// them is as good as any: what could not be made is made later by the sweeper, a few times, and
// so is what assets from before never had. The sweeper's claim lies ahead by a lease, and what it
// has made counts only while the asset is where it was: a move takes along what the row names.

type Derivatives = Pick<NewAsset, 'derivatives' | 'thumbhash'>

const mimeType = 'image/webp'
const attemptsMax = 5
const none: Derivatives = { derivatives: [], thumbhash: null }

interface Original {
  readonly place: Place
  readonly bytes: Uint8Array
  readonly mimeType: OutputMimeType
  /** When they have been made of these bytes. */
  readonly smaller?: SmallerPictures | undefined
}

/**
 * Stores the smaller pictures beside a picture, and says which are there. Never throws for a
 * picture that cannot be made smaller or a store that fails: then fewer are there.
 */
export async function storeDerivatives(
  store: ObjectStore,
  original: Original,
): Promise<Derivatives> {
  try {
    return await shrinkAndStore(store, original)
  } catch (error) {
    // The sweeper tries again: insertAsset has noted that some are missing.
    if (error instanceof AppError) return none
    throw error
  }
}

export interface DerivativeDeps {
  readonly database: Database
  readonly store: ObjectStore
  readonly checks: Slots
}

/** What a sweep has made, and why it could not make the rest. */
export interface DerivativeSweep {
  readonly made: number
  readonly failures: readonly AppError[]
}

/**
 * Makes what is missing for assets that are due, up to a number of them; safe beside other
 * sweepers. A picture that cannot be made smaller is given up at once, a store that fails after
 * a few tries.
 */
export async function makeMissingDerivatives(
  deps: DerivativeDeps,
  limits: { assetsMax: number },
  signal: AbortSignal,
): Promise<DerivativeSweep> {
  await forgetHopeless(deps.database)
  const failures: AppError[] = []
  let made = 0
  while (made + failures.length < limits.assetsMax && !signal.aborted) {
    const asset = await claimDue(deps.database)
    if (asset === undefined) break
    try {
      await deps.checks.use(() => makeFor(deps, asset))
      made++
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      failures.push(error)
      const mayPass = error instanceof StoreFailure || error.code === 'OVERLOADED'
      if (!mayPass) await giveUp(deps.database, asset.id)
    }
  }
  return { made, failures }
}

async function shrinkAndStore(store: ObjectStore, original: Original): Promise<Derivatives> {
  const { place, bytes, smaller } = original
  if (!isPicture(original.mimeType)) return none
  const { pictures, thumbhash } = smaller ?? (await shrinkPicture(bytes, original.mimeType))
  const derivatives: DerivativePreset[] = []
  for (const [preset, picture] of pictures) {
    const beside = { bucket: place.bucket, key: derivativeKey(place.key, preset) }
    // An earlier try may have been here: it made them of the same bytes.
    await store.create(beside, picture, headersFor(beside, mimeType))
    derivatives.push(preset)
  }
  return { derivatives, thumbhash }
}

async function makeFor({ database, store }: DerivativeDeps, asset: Asset): Promise<void> {
  const place = placeOf(asset)
  const bytes = await store.read(place, { bytesMax: asset.sizeBytes })
  if (bytes === undefined) throw new StoreFailure(new Error(`nothing is at ${place.key}`))
  const made = await shrinkAndStore(store, { place, bytes, mimeType: asset.mimeType })
  const { rowCount } = await database.query(sql`
    UPDATE assets SET derivatives = ${made.derivatives}, thumbhash = ${made.thumbhash},
      derivatives_due_at = NULL
    WHERE id = ${asset.id} AND version = ${asset.version} AND deleted_at IS NULL
  `)
  if (rowCount === 0) await removeUnlessThere(database, store, asset)
}

/** Where the asset has been meanwhile, nobody would know of them. */
async function removeUnlessThere(
  database: Queryable,
  store: ObjectStore,
  asset: Asset,
): Promise<void> {
  const { rowCount } = await database.query(sql`
    SELECT 1 FROM assets WHERE id = ${asset.id} AND storage_key = ${asset.storageKey}
      AND deleted_at IS NULL
  `)
  if (rowCount !== 0) return
  for (const beside of derivativePlaces(placeOf(asset))) await store.remove(beside)
}

/** An asset whose bytes are being moved is left alone until they have arrived. */
async function claimDue(database: Queryable): Promise<Asset | undefined> {
  const { rows } = await database.query<Asset>(sql`
    UPDATE assets SET derivatives_attempts = derivatives_attempts + 1,
      derivatives_due_at = now() + power(2, derivatives_attempts + 1) * interval '1 minute'
    WHERE id = (
      SELECT id FROM assets WHERE derivatives_due_at <= now() AND NOT EXISTS (
        SELECT 1 FROM asset_moves WHERE asset_id = assets.id AND state = 'copying')
      ORDER BY derivatives_due_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING ${assetColumns}
  `)
  return rows[0]
}

const forgottenMax = 1_000

/** What is deleted, is no picture or has failed too often is not due any more. */
async function forgetHopeless(database: Queryable): Promise<void> {
  await database.query(sql`
    UPDATE assets SET derivatives_due_at = NULL WHERE id IN (
      SELECT id FROM assets WHERE derivatives_due_at <= now() AND (deleted_at IS NOT NULL
        OR mime_type NOT LIKE 'image/%' OR derivatives_attempts >= ${attemptsMax})
      ORDER BY derivatives_due_at LIMIT ${forgottenMax} FOR UPDATE SKIP LOCKED
    )
  `)
}

async function giveUp(database: Queryable, assetId: AssetId): Promise<void> {
  await database.query(sql`
    UPDATE assets SET derivatives_due_at = NULL WHERE id = ${assetId}
  `)
}
