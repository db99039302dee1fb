import { checksumsAsHeaders } from './checksums.ts'
import { isUnchanged, readConditions, requireMatch } from './conditions.ts'
import { headerText, requireObject, type Exchange, type Reply } from './exchange.ts'
import type { StoredObject } from './object-disk.ts'
import { S3Error } from './s3-error.ts'
import { findQuery } from './signature.ts'

interface Range {
  readonly start: number
  readonly end: number
}

/** GetObject and HeadObject: conditions, one range, overrides of the reply's headers. */
export function readObject(exchange: Exchange): Reply {
  const { disk, bucket, key, headers } = exchange
  const object = requireObject(disk, bucket, key)
  const conditions = readConditions(headers, '')
  requireMatch(conditions, object)
  if (isUnchanged(conditions, object)) return { status: 304, headers: { ETag: `"${object.etag}"` } }

  const range = readRange(headerText(headers, 'range'), object.sizeBytes)
  const sizeBytes = range === undefined ? object.sizeBytes : range.end - range.start + 1
  const replyHeaders = {
    ...objectHeaders(object),
    ...(range === undefined ? checksumHeaders(exchange, object) : rangeHeaders(range, object)),
    ...overrides(exchange),
    'Content-Length': sizeBytes,
  }
  const status = range === undefined ? 200 : 206
  if (exchange.method === 'HEAD' || sizeBytes === 0) return { status, headers: replyHeaders }
  return { status, headers: replyHeaders, body: disk.read(bucket, object, range) }
}

function objectHeaders(object: StoredObject): Record<string, string> {
  return {
    ...object.headers,
    ETag: `"${object.etag}"`,
    'Last-Modified': new Date(object.lastModified).toUTCString(),
    'Accept-Ranges': 'bytes',
    'x-amz-server-side-encryption': 'AES256',
  }
}

/** S3 tells the checksums only to those who ask, and not of a part. */
function checksumHeaders(exchange: Exchange, object: StoredObject): Record<string, string> {
  const mode =
    headerText(exchange.headers, 'x-amz-checksum-mode') ??
    findQuery(exchange.query, 'x-amz-checksum-mode')
  const headers = checksumsAsHeaders(object.checksums)
  if (mode?.toUpperCase() !== 'ENABLED' || Object.keys(headers).length === 0) return {}
  return { ...headers, 'x-amz-checksum-type': 'FULL_OBJECT' }
}

function rangeHeaders(range: Range, object: StoredObject): Record<string, string> {
  return { 'Content-Range': `bytes ${range.start}-${range.end}/${object.sizeBytes}` }
}

/** One range of RFC 9110 §14.1.2; a header that is not one is ignored, as the RFC says. */
function readRange(header: string | undefined, sizeBytes: number): Range | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '')
  const [, first = '', last = ''] = match ?? []
  if (match === null || (first === '' && last === '')) return undefined
  const isSuffix = first === ''
  const start = isSuffix ? Math.max(0, sizeBytes - Number(last)) : Number(first)
  const end = isSuffix || last === '' ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1)
  if (!isSuffix && last !== '' && Number(last) < start) return undefined
  if (start >= sizeBytes || (isSuffix && Number(last) === 0)) {
    throw new S3Error('InvalidRange', 'The requested range is not satisfiable', {
      RangeRequested: header ?? '',
      ActualObjectSize: String(sizeBytes),
    })
  }
  return { start, end }
}

const overridable = [
  'Cache-Control',
  'Content-Disposition',
  'Content-Encoding',
  'Content-Language',
  'Content-Type',
  'Expires',
]

/** response-content-type and its like; the signature covers them. */
function overrides(exchange: Exchange): Record<string, string> {
  const entries = overridable.flatMap(name => {
    const value = findQuery(exchange.query, `response-${name.toLowerCase()}`)
    return value === undefined ? [] : [[name, value] as const]
  })
  return Object.fromEntries(entries)
}
