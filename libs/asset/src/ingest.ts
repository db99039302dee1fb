import { newId, type AssetId, type TaskId, type UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import { sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'
import { assetColumns, insertAsset } from './asset-rows.ts'
import type { Asset, NewAsset } from './asset.ts'
import { deposit } from './deposits.ts'
import { storeDerivatives } from './derivatives.ts'
import { isPicture, sniffMimeType } from './media-types.ts'
import { checkModel } from './models.ts'
import { derivativePlaces, outputPlace } from './object-keys.ts'
import type { ObjectStore } from './object-store.ts'
import { inspectPicture } from './pictures.ts'

/** The largest output of a tool, in bytes: it is held in memory while it is checked. */
export const outputBytesMax = 100 * 1024 * 1024

export interface ProducedFile {
  readonly userId: UserId
  readonly module: string
  readonly taskId: TaskId
  /** Its place among the outputs of the task, from 0. */
  readonly index: number
  readonly bytes: Uint8Array | AsyncIterable<Uint8Array>
  /** What the provider says it is. */
  readonly mimeType: string
}

/** An output whose bytes are stored; insertOutputAsset makes it an asset. */
export type StoredOutput = NewAsset & { readonly taskId: TaskId; readonly taskOutput: number }

/**
 * Checks an output of a task and stores it under a key made from the task's id and the index, so
 * that a retry finds the bytes of the first try and keeps them. The bytes say what they are: a
 * provider that names another type of picture is corrected, one that sends no picture where it
 * says picture is not. Throws TYPE_MISMATCH, IMAGE_INVALID, IMAGE_TOO_LARGE or PAYLOAD_TOO_LARGE.
 */
export async function storeOutput(store: ObjectStore, file: ProducedFile): Promise<StoredOutput> {
  const received = await collect(file.bytes)
  const mimeType = sniffMimeType(received)
  if (mimeType === undefined || contradicts({ declared: file.mimeType, actual: mimeType })) {
    throw new AppError('TYPE_MISMATCH')
  }
  const size = await checkOutput(received, mimeType)
  const place = outputPlace({ ...file, mimeType }, file)
  const { bytes, sha256 } = await deposit(
    store,
    { place, bytes: received, mimeType },
    { bytesMax: outputBytesMax },
  )
  return {
    id: newId(),
    userId: file.userId,
    module: file.module,
    bucket: place.bucket,
    storageKey: place.key,
    filename: null,
    mimeType,
    sizeBytes: bytes.length,
    sha256,
    ...(bytes === received ? size : await checkOutput(bytes, mimeType)),
    ...(await storeDerivatives(store, { place, bytes, mimeType })),
    taskId: file.taskId,
    taskOutput: file.index,
  }
}

/**
 * Makes the stored output an asset of its task, and a child of the asset that it was made of; a
 * repeat returns the asset of the first time.
 */
export async function insertOutputAsset(
  tx: Transaction,
  output: StoredOutput,
  madeOf?: AssetId,
): Promise<Asset> {
  const inserted = await insertAsset(tx, output, 'user', madeOf)
  if (inserted) return inserted
  const { rows } = await tx.query<Asset>(sql`
    SELECT ${assetColumns} FROM assets
    WHERE task_id = ${output.taskId} AND task_output = ${output.taskOutput}
      AND user_id = ${output.userId}
  `)
  const [earlier] = rows
  if (!earlier) throw new AppError('CONFLICT')
  return earlier
}

/**
 * Removes the stored outputs of a task that has settled without them. Never before it has: a
 * second try of the task may have found the same bytes and be about to complete with them.
 */
export async function discardOutputs(
  store: ObjectStore,
  outputs: readonly StoredOutput[],
): Promise<void> {
  for (const { bucket, storageKey } of outputs) {
    const place = { bucket, key: storageKey }
    for (const beside of derivativePlaces(place)) await store.remove(beside)
    await store.remove(place)
  }
}

async function collect(bytes: Uint8Array | AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of bytes instanceof Uint8Array ? [bytes] : bytes) {
    sizeBytes += chunk.length
    if (sizeBytes > outputBytesMax) throw new AppError('PAYLOAD_TOO_LARGE')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Providers confuse types of pictures, and call a model a stream of octets. */
function contradicts({ declared, actual }: { declared: string; actual: string }): boolean {
  if (/^(application|binary)\/octet-stream\b/.test(declared)) return false
  return declared.split('/')[0] !== actual.split('/')[0]
}

async function checkOutput(
  bytes: Uint8Array,
  mimeType: StoredOutput['mimeType'],
): Promise<{ width: number | null; height: number | null }> {
  if (isPicture(mimeType)) return inspectPicture(bytes, mimeType)
  checkModel(bytes, mimeType)
  return { width: null, height: null }
}
