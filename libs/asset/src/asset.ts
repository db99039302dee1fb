import type { OutputMimeType, Visibility } from '@funmagic/contract/asset'
import type { AssetId, TaskId, UserId } from '@funmagic/contract/ids'

/** A bucket by its role; the name of the real bucket is configuration (requirement A6). */
export type BucketRole = 'private' | 'public' | 'admin'

/** Where bytes are. */
export interface Place {
  readonly bucket: BucketRole
  readonly key: string
}

/** A file that somebody owns: checked bytes at a place, and who may see them (A2). */
export interface Asset {
  readonly id: AssetId
  readonly userId: UserId
  readonly module: string
  readonly bucket: BucketRole
  readonly storageKey: string
  /** Permission, at once; the bytes may still be on their way (decision 5). */
  readonly visibility: Visibility
  readonly filename: string | null
  readonly mimeType: OutputMimeType
  readonly sizeBytes: number
  readonly sha256: string
  readonly width: number | null
  readonly height: number | null
  readonly thumbnailKey: string | null
  readonly taskId: TaskId | null
  /** The place of an output among the outputs of its task. */
  readonly taskOutput: number | null
  /** Raised by every change of visibility or place. */
  readonly version: number
  readonly createdAt: Date
  readonly publishedAt: Date | null
}
