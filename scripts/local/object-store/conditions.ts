import { S3Error } from './s3-error.ts'
import type { StoredObject } from './object-disk.ts'

/** The four conditions of RFC 9110 §13.1, by the headers that carry them. */
export interface Conditions {
  readonly ifMatch: string | undefined
  readonly ifNoneMatch: string | undefined
  readonly ifModifiedSince: string | undefined
  readonly ifUnmodifiedSince: string | undefined
}

type Headers = Readonly<Record<string, string | string[] | undefined>>

/** `prefix` is empty, or x-amz-copy-source- for the conditions on a copy's source. */
export function readConditions(headers: Headers, prefix: '' | 'x-amz-copy-source-'): Conditions {
  const read = (name: string): string | undefined => {
    const value = headers[prefix + name]
    return typeof value === 'string' ? value : undefined
  }
  return {
    ifMatch: read('if-match'),
    ifNoneMatch: read('if-none-match'),
    ifModifiedSince: read('if-modified-since'),
    ifUnmodifiedSince: read('if-unmodified-since'),
  }
}

/** True when a reader already has what there is: 304 for a GET, 412 for a copy (RFC 9110 §13.2). */
export function isUnchanged(conditions: Conditions, object: StoredObject): boolean {
  if (conditions.ifNoneMatch !== undefined) return matches(conditions.ifNoneMatch, object)
  if (conditions.ifModifiedSince === undefined) return false
  return Date.parse(object.lastModified) <= Date.parse(conditions.ifModifiedSince)
}

/** Throws PreconditionFailed when the object is not the one that the reader means. */
export function requireMatch(conditions: Conditions, object: StoredObject): void {
  if (conditions.ifMatch !== undefined) {
    if (!matches(conditions.ifMatch, object)) throw failed('If-Match')
    return
  }
  const { ifUnmodifiedSince } = conditions
  if (ifUnmodifiedSince === undefined) return
  if (Date.parse(object.lastModified) > Date.parse(ifUnmodifiedSince)) {
    throw failed('If-Unmodified-Since')
  }
}

/**
 * The conditions on a write: `If-None-Match: *` writes only where nothing is, `If-Match` only
 * over that object (AWS, "Conditional writes"). Throws PreconditionFailed, or NoSuchKey.
 */
export function requireWritable(conditions: Conditions, existing: StoredObject | undefined): void {
  const { ifMatch, ifNoneMatch } = conditions
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch !== '*') throw new S3Error('NotImplemented', 'If-None-Match must be * here.')
    if (existing !== undefined) throw failed('If-None-Match')
  }
  if (ifMatch === undefined) return
  if (existing === undefined) throw new S3Error('NoSuchKey', 'The specified key does not exist.')
  if (!matches(ifMatch, existing)) throw failed('If-Match')
}

export function failed(condition: string): S3Error {
  return new S3Error(
    'PreconditionFailed',
    'At least one of the pre-conditions you specified did not hold',
    { Condition: condition },
  )
}

function matches(list: string, object: StoredObject): boolean {
  return list
    .split(',')
    .map(tag => tag.trim().replace(/^W\//, '').replaceAll('"', ''))
    .some(tag => tag === '*' || tag === object.etag)
}
