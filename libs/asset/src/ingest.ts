import type { TaskId, UserId } from '@funmagic/contract/ids'
import type { Transaction } from '@funmagic/database/transaction'
import type { Asset } from './asset.ts'
import type { ObjectStore } from './object-store.ts'

export interface TaskOutput {
  readonly userId: UserId
  readonly module: string
  readonly taskId: TaskId
  /** Its place among the outputs of the task, from 0. */
  readonly index: number
  readonly bytes: Uint8Array | AsyncIterable<Uint8Array>
  /** What the provider says it is; the bytes decide. */
  readonly mimeType: string
}

/** An output whose bytes are stored; insertOutputAsset makes it an asset. */
export type StoredOutput = Omit<Asset, 'createdAt' | 'taskId' | 'taskOutput'> & {
  readonly taskId: TaskId
  readonly taskOutput: number
}

/**
 * Checks an output and stores it under a key made from the task's id and the index, so that a
 * retry finds the bytes of the first attempt and keeps them. Throws TYPE_MISMATCH, IMAGE_INVALID,
 * IMAGE_TOO_LARGE or PAYLOAD_TOO_LARGE for bytes that are not what a tool may produce.
 */
export declare function storeOutput(store: ObjectStore, output: TaskOutput): Promise<StoredOutput>

/** Makes the stored output an asset of its task; a repeat returns the asset of the first time. */
export declare function insertOutputAsset(tx: Transaction, output: StoredOutput): Promise<Asset>

/** Removes outputs of a task that has settled without them: failed, canceled or out of time. */
export declare function discardOutputs(
  store: ObjectStore,
  outputs: readonly StoredOutput[],
): Promise<void>
