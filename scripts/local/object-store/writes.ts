import { constants, createReadStream, createWriteStream } from 'node:fs'
import { copyFile, rm } from 'node:fs/promises'
import type { IncomingHttpHeaders } from 'node:http'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import {
  checksumAlgorithms,
  checksumsAsHeaders,
  Digester,
  readPromised,
  requirePromised,
  type Checksums,
  type Digest,
} from './checksums.ts'
import { failed, isUnchanged, readConditions, requireMatch, requireWritable } from './conditions.ts'
import { headerText, requireBucket, requireObject, type Exchange, type Reply } from './exchange.ts'
import type { StoredObject } from './object-disk.ts'
import { S3Error } from './s3-error.ts'
import { decode } from './signature.ts'
import { readXmlTexts, xmlDocument } from './xml.ts'

const objectBytesMax = 5 * 1024 ** 3
const keyBytesMax = 1024
const documentBytesMax = 2 * 1024 ** 2
const deleteKeysMax = 1000

/** PutObject: the object appears when all bytes are there and are those that were promised. */
export async function putObject(exchange: Exchange): Promise<Reply> {
  const { disk, bucket, key, headers } = exchange
  requireKey(key)
  const conditions = readConditions(headers, '')
  requireWritable(conditions, requireBucket(disk, bucket).get(key))
  const promised = readPromised(headers, exchange.payloadHash)
  const { file, path } = disk.newContent(bucket)
  try {
    const digest = await receive(exchange, path)
    requirePromised(promised, digest)
    const checksums = { ...promised.checksums, ...requestedChecksums(headers, digest) }
    const object = newObject({ key, file, digest, checksums, headers: keptHeaders(headers) })
    // The bytes took time; another writer may have come first.
    requireWritable(conditions, requireBucket(disk, bucket).get(key))
    disk.commit(bucket, object)
    return { status: 200, headers: writtenHeaders(object) }
  } catch (error) {
    await rm(path, { force: true })
    throw error
  }
}

/** CopyObject, with the conditions on its source and on its target. */
export async function copyObject(exchange: Exchange): Promise<Reply> {
  const { disk, bucket, key, headers } = exchange
  requireKey(key)
  const conditions = readConditions(headers, '')
  requireWritable(conditions, requireBucket(disk, bucket).get(key))
  const from = readCopySource(headers)
  const source = requireObject(disk, from.bucket, from.key)
  const sourceConditions = readConditions(headers, 'x-amz-copy-source-')
  requireMatch(sourceConditions, source)
  if (isUnchanged(sourceConditions, source)) throw failed('x-amz-copy-source-If-None-Match')
  const isReplacing = headerText(headers, 'x-amz-metadata-directive')?.toUpperCase() === 'REPLACE'
  if (!isReplacing && from.bucket === bucket && from.key === key) {
    throw new S3Error('InvalidRequest', 'An object can be copied to itself only with REPLACE.')
  }
  const { file, path } = disk.newContent(bucket)
  try {
    const digest = await copyContent(disk.contentPath(from.bucket, source.file), path)
    const checksums = { ...source.checksums, ...requestedChecksums(headers, digest) }
    const kept = isReplacing ? keptHeaders(headers) : source.headers
    const object = newObject({ key, file, digest, checksums, headers: kept })
    requireWritable(conditions, requireBucket(disk, bucket).get(key))
    disk.commit(bucket, object)
    return { status: 200, headers: { 'Content-Type': 'application/xml' }, body: copyResult(object) }
  } catch (error) {
    await rm(path, { force: true })
    throw error
  }
}

/** DeleteObject: gone afterwards, whether or not it was there. */
export function deleteObject({ disk, bucket, key }: Exchange): Reply {
  requireBucket(disk, bucket)
  disk.delete(bucket, key)
  return { status: 204 }
}

/** DeleteObjects: up to 1,000 keys in one document. */
export async function deleteObjects(exchange: Exchange): Promise<Reply> {
  const { disk, bucket } = exchange
  requireBucket(disk, bucket)
  const document = await readDocument(exchange)
  const keys = readXmlTexts(document, 'Key')
  if (keys.length === 0 || keys.length > deleteKeysMax) {
    throw new S3Error('MalformedXML', `The document must name 1 to ${deleteKeysMax} keys.`)
  }
  for (const key of keys) disk.delete(bucket, key)
  const isQuiet = readXmlTexts(document, 'Quiet')[0] === 'true'
  const deleted = isQuiet ? [] : keys.map(key => ({ Key: key }))
  return {
    status: 200,
    headers: { 'Content-Type': 'application/xml' },
    body: xmlDocument('DeleteResult', { Deleted: deleted }),
  }
}

export function requireKey(key: string): void {
  if (Buffer.byteLength(key) <= keyBytesMax) return
  throw new S3Error('KeyTooLongError', 'Your key is too long')
}

/** Writes the body to a file. It must have the length that it says. */
export async function receive(exchange: Exchange, path: string): Promise<Digest> {
  const lengthText = headerText(exchange.headers, 'content-length')
  if (lengthText === undefined) {
    throw new S3Error('MissingContentLength', 'You must provide the Content-Length HTTP header.')
  }
  if (Number(lengthText) > objectBytesMax) {
    throw new S3Error('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size')
  }
  const digester = new Digester()
  await pipeline(exchange.body, digesting(digester), createWriteStream(path, { flags: 'wx' }))
  const digest = digester.finish()
  if (digest.sizeBytes === Number(lengthText)) return digest
  throw new S3Error('IncompleteBody', 'The body has another length than Content-Length says.')
}

function digesting(digester: Digester): Transform {
  return new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      digester.update(chunk)
      done(null, chunk)
    },
  })
}

async function copyContent(from: string, to: string): Promise<Digest> {
  await copyFile(from, to, constants.COPYFILE_FICLONE)
  const digester = new Digester()
  const bytes: AsyncIterable<Uint8Array> = createReadStream(to)
  for await (const chunk of bytes) digester.update(chunk)
  return digester.finish()
}

/** A write may ask for a checksum by name and leave the computing to S3. */
function requestedChecksums(headers: IncomingHttpHeaders, digest: Digest): Checksums {
  const name = headerText(headers, 'x-amz-checksum-algorithm')?.toLowerCase()
  if (name === undefined) return {}
  const algorithm = checksumAlgorithms.find(known => known === name)
  if (algorithm === undefined) {
    throw new S3Error('NotImplemented', `The checksum ${name} is not computed here.`)
  }
  return { [algorithm]: digest.checksums[algorithm] }
}

const keptNames = new Map([
  ['content-type', 'Content-Type'],
  ['cache-control', 'Cache-Control'],
  ['content-disposition', 'Content-Disposition'],
  ['content-encoding', 'Content-Encoding'],
  ['content-language', 'Content-Language'],
  ['expires', 'Expires'],
])

/** What S3 keeps with an object and gives back. */
export function keptHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const kept: Record<string, string> = { 'Content-Type': 'binary/octet-stream' }
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== 'string') continue
    if (name.startsWith('x-amz-meta-')) kept[name] = value
    const known = keptNames.get(name)
    if (known !== undefined) kept[known] = value
  }
  return kept
}

interface NewObject {
  readonly key: string
  readonly file: string
  readonly digest: Digest
  readonly checksums: Checksums
  readonly headers: Readonly<Record<string, string>>
}

function newObject({ key, file, digest, checksums, headers }: NewObject): StoredObject {
  const { sizeBytes, md5Hex } = digest
  const lastModified = new Date().toISOString()
  return { key, file, sizeBytes, etag: md5Hex, lastModified, checksums, headers }
}

function writtenHeaders(object: StoredObject): Record<string, string> {
  return {
    ...checksumsAsHeaders(object.checksums),
    ETag: `"${object.etag}"`,
    'x-amz-server-side-encryption': 'AES256',
  }
}

function copyResult(object: StoredObject): string {
  return xmlDocument('CopyObjectResult', {
    LastModified: object.lastModified,
    ETag: `"${object.etag}"`,
    ChecksumSHA256: object.checksums.sha256,
    ChecksumSHA1: object.checksums.sha1,
    ChecksumCRC32: object.checksums.crc32,
  })
}

function readCopySource(headers: IncomingHttpHeaders): { bucket: string; key: string } {
  const text = decode(headerText(headers, 'x-amz-copy-source') ?? '').replace(/^\//, '')
  const slash = text.indexOf('/')
  if (slash < 1 || slash === text.length - 1) {
    throw new S3Error('InvalidArgument', 'Copy Source must mention the source bucket and key')
  }
  return { bucket: text.slice(0, slash), key: text.slice(slash + 1) }
}

async function readDocument(exchange: Exchange): Promise<string> {
  const promised = readPromised(exchange.headers, exchange.payloadHash)
  if (promised.md5 === undefined && Object.keys(promised.checksums).length === 0) {
    throw new S3Error('InvalidRequest', 'Missing required header for this request: Content-MD5')
  }
  return readBody(exchange)
}

/** A document of bounded size, which must be what its sender has promised. */
export async function readBody(exchange: Exchange): Promise<string> {
  const digester = new Digester()
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  const body: AsyncIterable<Uint8Array> = exchange.body
  for await (const chunk of body) {
    sizeBytes += chunk.length
    if (sizeBytes > documentBytesMax) throw new S3Error('EntityTooLarge', 'The document is too big')
    digester.update(chunk)
    chunks.push(chunk)
  }
  requirePromised(readPromised(exchange.headers, exchange.payloadHash), digester.finish())
  return Buffer.concat(chunks).toString('utf8')
}
