import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import type { ObjectDisk, StoredObject } from './object-disk.ts'
import { S3Error } from './s3-error.ts'
import type { Query } from './signature.ts'

/** A request whose signature holds. */
export interface Exchange {
  readonly disk: ObjectDisk
  readonly method: string
  readonly bucket: string
  readonly key: string
  readonly query: Query
  readonly headers: IncomingHttpHeaders
  readonly body: IncomingMessage
  readonly payloadHash: string
}

export interface Reply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string | number>>
  readonly body?: string | Readable
}

export function requireBucket(disk: ObjectDisk, bucket: string): ReadonlyMap<string, StoredObject> {
  const objects = disk.findBucket(bucket)
  if (objects !== undefined) return objects
  throw new S3Error('NoSuchBucket', 'The specified bucket does not exist', { BucketName: bucket })
}

export function requireObject(disk: ObjectDisk, bucket: string, key: string): StoredObject {
  const object = requireBucket(disk, bucket).get(key)
  if (object !== undefined) return object
  throw new S3Error('NoSuchKey', 'The specified key does not exist.', { Key: key })
}

export function headerText(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value.join(',') : value
}
