import { requireBucket, type Exchange, type Reply } from './exchange.ts'
import type { ObjectDisk, StoredObject } from './object-disk.ts'
import { S3Error } from './s3-error.ts'
import { findQuery } from './signature.ts'
import { xmlDocument, type XmlValue } from './xml.ts'

const pageMax = 1000
const xmlHeaders = { 'Content-Type': 'application/xml' }

export function listBuckets(disk: ObjectDisk): Reply {
  const buckets = disk.bucketNames().map(name => ({ Name: name }))
  const body = xmlDocument('ListAllMyBucketsResult', { Buckets: { Bucket: buckets } })
  return { status: 200, headers: xmlHeaders, body }
}

export function headBucket({ disk, bucket }: Exchange): Reply {
  requireBucket(disk, bucket)
  return { status: 200 }
}

export function createBucket({ disk, bucket }: Exchange): Reply {
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
    throw new S3Error('InvalidBucketName', 'The specified bucket is not valid.')
  }
  if (disk.findBucket(bucket) !== undefined) {
    throw new S3Error('BucketAlreadyOwnedByYou', 'You already own the bucket.')
  }
  disk.createBucket(bucket)
  return { status: 200, headers: { Location: `/${bucket}` } }
}

export async function deleteBucket({ disk, bucket }: Exchange): Promise<Reply> {
  if (requireBucket(disk, bucket).size > 0) {
    throw new S3Error('BucketNotEmpty', 'The bucket you tried to delete is not empty')
  }
  await disk.deleteBucket(bucket)
  return { status: 204 }
}

/** ListObjectsV2: keys in the order of their UTF-8 bytes, a page at a time. */
export function listObjects({ disk, bucket, query }: Exchange): Reply {
  const objects = requireBucket(disk, bucket)
  if (findQuery(query, 'list-type') !== '2') {
    throw new S3Error('NotImplemented', 'Only version 2 of ListObjects is offered here.')
  }
  const prefix = findQuery(query, 'prefix') ?? ''
  const delimiter = findQuery(query, 'delimiter') ?? ''
  const keysMax = Math.min(readCount(findQuery(query, 'max-keys')), pageMax)
  const token = findQuery(query, 'continuation-token')
  const startAfter = findQuery(query, 'start-after') ?? ''
  const after = token === undefined ? startAfter : readToken(token)
  const entries = groupEntries([...objects.values()], prefix, delimiter)
  const remaining = entries.filter(entry => compareKeys(entry.name, after) > 0)
  const page = remaining.slice(0, keysMax)
  const isTruncated = remaining.length > page.length
  const last = page.at(-1)?.name
  const body = xmlDocument('ListBucketResult', {
    Name: bucket,
    Prefix: prefix,
    Delimiter: delimiter === '' ? undefined : delimiter,
    MaxKeys: keysMax,
    KeyCount: page.length,
    StartAfter: startAfter === '' ? undefined : startAfter,
    ContinuationToken: token,
    NextContinuationToken: isTruncated && last !== undefined ? writeToken(last) : undefined,
    IsTruncated: isTruncated,
    Contents: page.flatMap(({ object }) => (object === undefined ? [] : [describeObject(object)])),
    CommonPrefixes: page.flatMap(({ name, object }) =>
      object === undefined ? [{ Prefix: name }] : [],
    ),
  })
  return { status: 200, headers: xmlHeaders, body }
}

/** A key, or a common prefix: then without an object. */
interface Entry {
  readonly name: string
  readonly object: StoredObject | undefined
}

function groupEntries(objects: StoredObject[], prefix: string, delimiter: string): Entry[] {
  const entries = new Map<string, Entry>()
  for (const object of objects) {
    if (!object.key.startsWith(prefix)) continue
    const cut = delimiter === '' ? -1 : object.key.indexOf(delimiter, prefix.length)
    const name = cut < 0 ? object.key : object.key.slice(0, cut + delimiter.length)
    entries.set(name, { name, object: cut < 0 ? object : undefined })
  }
  return [...entries.values()].sort((a, b) => compareKeys(a.name, b.name))
}

function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function describeObject(object: StoredObject): XmlValue {
  return {
    Key: object.key,
    LastModified: object.lastModified,
    ETag: `"${object.etag}"`,
    ChecksumAlgorithm: Object.keys(object.checksums).map(name => name.toUpperCase()),
    Size: object.sizeBytes,
    StorageClass: 'STANDARD',
  }
}

function readCount(text: string | undefined): number {
  if (text === undefined) return pageMax
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new S3Error('InvalidArgument', 'max-keys must be a number')
}

function writeToken(key: string): string {
  return Buffer.from(key).toString('base64url')
}

function readToken(token: string): string {
  return Buffer.from(token, 'base64url').toString('utf8')
}
