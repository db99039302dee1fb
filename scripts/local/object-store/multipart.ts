import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { Digester, readPromised, requirePromised } from './checksums.ts'
import { readConditions, requireWritable } from './conditions.ts'
import { headerText, requireBucket, type Exchange, type Reply } from './exchange.ts'
import { S3Error } from './s3-error.ts'
import { findQuery } from './signature.ts'
import type { PartialUpload, StoredPart, UploadDisk } from './upload-disk.ts'
import { keptHeaders, readBody, receive, requireKey } from './writes.ts'
import { readXmlTexts, xmlDocument } from './xml.ts'

// Multipart uploads as Amazon S3 does them (Amazon S3 User Guide, "Uploading and copying objects
// using multipart upload"): parts of 5 MB at least but for the last, ETags of parts that must be
// named, an ETag of ETags, and leftovers that stay until they are aborted.

const partSizeMinBytes = 5 * 1024 * 1024
const partNumberMax = 10_000
const pageMax = 1_000
const xml = { 'Content-Type': 'application/xml' }

/** CreateMultipartUpload. */
export function createUpload({ disk, bucket, key, headers }: Exchange): Reply {
  requireKey(key)
  requireBucket(disk, bucket)
  if (headerText(headers, 'x-amz-checksum-algorithm') !== undefined) {
    throw new S3Error('NotImplemented', 'Checksums of whole multipart objects are not kept here.')
  }
  const { uploadId } = disk.uploads.create({ bucket, key, headers: keptHeaders(headers) })
  const body = xmlDocument('InitiateMultipartUploadResult', {
    Bucket: bucket,
    Key: key,
    UploadId: uploadId,
  })
  return { status: 200, headers: xml, body }
}

/** UploadPart: a later one of the same number takes its place. */
export async function uploadPart(exchange: Exchange): Promise<Reply> {
  const upload = requireUpload(exchange)
  const { uploads } = exchange.disk
  const partNumber = Number(findQuery(exchange.query, 'partNumber'))
  if (!Number.isInteger(partNumber) || partNumber < 1 || partNumber > partNumberMax) {
    throw new S3Error('InvalidArgument', 'Part number must be an integer between 1 and 10000')
  }
  const promised = readPromised(exchange.headers, exchange.payloadHash)
  const { file, path } = uploads.newPart(upload)
  try {
    const digest = await receive(exchange, path)
    requirePromised(promised, digest)
    const part: StoredPart = {
      partNumber,
      sizeBytes: digest.sizeBytes,
      etag: digest.md5Hex,
      lastModified: new Date().toISOString(),
      checksums: promised.checksums,
      file,
    }
    if (!uploads.keepPart(upload, part)) throw noSuchUpload()
    return { status: 200, headers: { ETag: `"${part.etag}"` } }
  } catch (error) {
    await rm(path, { force: true })
    // The folder went with the upload that was aborted while the bytes arrived.
    if (uploads.find(upload.uploadId) === undefined) throw noSuchUpload()
    throw error
  }
}

/** ListParts, a page at a time. */
export function listParts(exchange: Exchange): Reply {
  const upload = requireUpload(exchange)
  const partsMax = readCount(exchange, 'max-parts')
  const after = Number(findQuery(exchange.query, 'part-number-marker') ?? 0)
  const remaining = upload.parts.filter(({ partNumber }) => partNumber > after)
  const page = remaining.slice(0, partsMax)
  const body = xmlDocument('ListPartsResult', {
    Bucket: upload.bucket,
    Key: upload.key,
    UploadId: upload.uploadId,
    PartNumberMarker: after,
    NextPartNumberMarker: page.at(-1)?.partNumber ?? after,
    MaxParts: partsMax,
    IsTruncated: remaining.length > page.length,
    Part: page.map(part => ({
      PartNumber: part.partNumber,
      LastModified: part.lastModified,
      ETag: `"${part.etag}"`,
      Size: part.sizeBytes,
    })),
  })
  return { status: 200, headers: xml, body }
}

/** CompleteMultipartUpload: the object is the named parts in their order, and nothing else. */
export async function completeUpload(exchange: Exchange): Promise<Reply> {
  const { disk, bucket, key, headers } = exchange
  const upload = requireUpload(exchange)
  const parts = requireParts(upload, await readBody(exchange))
  const conditions = readConditions(headers, '')
  requireWritable(conditions, requireBucket(disk, bucket).get(key))
  const { file, path } = disk.newContent(bucket)
  try {
    const sizeBytes = await join(disk.uploads, upload, parts, path)
    const etag = etagOf(parts)
    if (disk.uploads.find(upload.uploadId) === undefined) throw noSuchUpload()
    requireWritable(conditions, requireBucket(disk, bucket).get(key))
    const lastModified = new Date().toISOString()
    const kept = { key, file, sizeBytes, etag, lastModified, checksums: {} }
    disk.commit(bucket, { ...kept, headers: upload.headers })
    await disk.uploads.remove(upload)
    const body = xmlDocument('CompleteMultipartUploadResult', {
      Location: `/${bucket}/${key}`,
      Bucket: bucket,
      Key: key,
      ETag: `"${etag}"`,
    })
    return { status: 200, headers: xml, body }
  } catch (error) {
    await rm(path, { force: true })
    throw error
  }
}

/** AbortMultipartUpload. */
export async function abortUpload(exchange: Exchange): Promise<Reply> {
  await exchange.disk.uploads.remove(requireUpload(exchange))
  return { status: 204 }
}

/** ListMultipartUploads of a bucket, a page at a time. */
export function listUploads(exchange: Exchange): Reply {
  const { disk, bucket, query } = exchange
  requireBucket(disk, bucket)
  const prefix = findQuery(query, 'prefix') ?? ''
  if (findQuery(query, 'delimiter') !== undefined) {
    throw new S3Error('NotImplemented', 'Uploads are not grouped here.')
  }
  const uploadsMax = readCount(exchange, 'max-uploads')
  const all = disk.uploads.list(bucket, prefix)
  const marker = findQuery(query, 'upload-id-marker')
  const start = all.findIndex(({ uploadId }) => uploadId === marker) + 1
  const page = all.slice(start, start + uploadsMax)
  const last = page.at(-1)
  const body = xmlDocument('ListMultipartUploadsResult', {
    Bucket: bucket,
    Prefix: prefix,
    MaxUploads: uploadsMax,
    NextKeyMarker: last?.key,
    NextUploadIdMarker: last?.uploadId,
    IsTruncated: start + page.length < all.length,
    Upload: page.map(({ key, uploadId, initiated }) => ({
      Key: key,
      UploadId: uploadId,
      Initiated: initiated,
      StorageClass: 'STANDARD',
    })),
  })
  return { status: 200, headers: xml, body }
}

function requireUpload({ disk, bucket, key, query }: Exchange): PartialUpload {
  requireBucket(disk, bucket)
  const upload = disk.uploads.find(findQuery(query, 'uploadId') ?? '')
  if (upload?.bucket === bucket && upload.key === key) return upload
  throw noSuchUpload()
}

function noSuchUpload(): S3Error {
  return new S3Error('NoSuchUpload', 'The specified multipart upload does not exist.')
}

function requireParts(upload: PartialUpload, document: string): StoredPart[] {
  const numbers = readXmlTexts(document, 'PartNumber').map(Number)
  const etags = readXmlTexts(document, 'ETag').map(etag => etag.replaceAll('"', ''))
  if (numbers.length === 0 || numbers.length !== etags.length) {
    throw new S3Error('MalformedXML', 'The document must name parts and their ETags.')
  }
  if (numbers.some((number, at) => at > 0 && number <= (numbers[at - 1] ?? 0))) {
    throw new S3Error('InvalidPartOrder', 'The list of parts was not in ascending order.')
  }
  const parts = numbers.map((number, at) => {
    const part = upload.parts.find(({ partNumber }) => partNumber === number)
    if (part !== undefined && part.etag === etags[at]) return part
    throw new S3Error('InvalidPart', 'One or more of the specified parts could not be found.')
  })
  if (parts.slice(0, -1).some(({ sizeBytes }) => sizeBytes < partSizeMinBytes)) {
    throw new S3Error('EntityTooSmall', 'Your proposed upload is smaller than the minimum size')
  }
  return parts
}

async function join(
  uploads: UploadDisk,
  upload: PartialUpload,
  parts: readonly StoredPart[],
  path: string,
): Promise<number> {
  const digester = new Digester()
  const target = createWriteStream(path, { flags: 'wx' })
  await pipeline(async function* () {
    for (const part of parts) {
      const bytes: AsyncIterable<Uint8Array> = createReadStream(uploads.partPath(upload, part))
      for await (const chunk of bytes) {
        digester.update(chunk)
        yield chunk
      }
    }
  }, target)
  return digester.finish().sizeBytes
}

function etagOf(parts: readonly StoredPart[]): string {
  const hash = createHash('md5')
  for (const { etag } of parts) hash.update(Buffer.from(etag, 'hex'))
  return `${hash.digest('hex')}-${parts.length}`
}

function readCount({ query }: Exchange, name: string): number {
  const text = findQuery(query, name)
  if (text === undefined) return pageMax
  if (/^\d{1,9}$/.test(text)) return Math.min(Number(text), pageMax)
  throw new S3Error('InvalidArgument', `${name} must be a number`)
}
