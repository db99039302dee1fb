import type { BucketRole } from './asset.ts'
import type { ObjectStore } from './object-store.ts'

export interface S3Settings {
  readonly region: string
  /** Unset for AWS itself. */
  readonly endpoint?: string | undefined
  /** The store's address as clients reach it, when it is not the endpoint. */
  readonly publicEndpoint?: string | undefined
  /** Unset: the default credential chain of AWS. */
  readonly accessKey?: string | undefined
  readonly secretKey?: string | undefined
  readonly buckets: Readonly<Record<BucketRole, string>>
}

/** Opens no connection yet: the first call does. */
export declare function openS3ObjectStore(settings: S3Settings): ObjectStore
