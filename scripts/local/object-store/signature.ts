import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { S3Error } from './s3-error.ts'

export interface AccessKey {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export interface SignedRequest {
  readonly method: string
  /** Path and query exactly as they were sent. */
  readonly url: string
  readonly headers: IncomingHttpHeaders
}

/** What a valid signature vouches for beside the request line. */
export interface Vouched {
  /** SHA-256 of the body in hex, or one of AWS's words such as UNSIGNED-PAYLOAD. */
  readonly payloadHash: string
}

interface Claim {
  readonly accessKeyId: string
  readonly scope: string
  readonly scopeDate: string
  readonly region: string
  readonly signedHeaders: readonly string[]
  readonly signature: string
  readonly timestamp: string
  readonly payloadHash: string
  readonly isPresigned: boolean
}

const algorithm = 'AWS4-HMAC-SHA256'
const authorizationForm = new RegExp(
  `^${algorithm} Credential=([^,\\s]+),\\s*SignedHeaders=([^,\\s]+),\\s*Signature=([0-9a-f]{64})$`,
)
const unsignedPayload = 'UNSIGNED-PAYLOAD'
const skewMaxMs = 15 * 60_000
const expiresMaxSeconds = 7 * 24 * 3600

/**
 * Checks a request's Signature Version 4, in the Authorization header or presigned in the query,
 * as S3 does: nothing unsigned is served, and an x-amz-* header that the signature does not cover
 * is refused (AWS, "Authenticating Requests: Using Query Parameters"). Throws S3Error.
 */
export function verifySignature(request: SignedRequest, key: AccessKey, now: Date): Vouched {
  const { path, query } = splitUrl(request.url)
  const claim = readClaim(request, query)
  if (claim.accessKeyId !== key.accessKeyId) {
    throw new S3Error('InvalidAccessKeyId', 'The access key id is not known here.')
  }
  requireFresh(claim, query, now)
  requireCoverage(request.headers, claim)
  const text = stringToSign(claim, canonicalRequest(request, path, query, claim))
  const expected = createHmac('sha256', signingKey(key.secretAccessKey, claim))
    .update(text)
    .digest()
  const given = Buffer.from(claim.signature, 'hex')
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new S3Error('SignatureDoesNotMatch', 'The signature does not match the request.', {
      StringToSign: text,
    })
  }
  return { payloadHash: claim.payloadHash }
}

/** Names and values of a query, decoded, in their order. */
export type Query = readonly (readonly [name: string, value: string])[]

export function splitUrl(url: string): { path: string; query: Query } {
  const mark = url.indexOf('?')
  if (mark < 0) return { path: url, query: [] }
  const parts = url.slice(mark + 1).split('&')
  const query = parts.filter(part => part !== '').map(readPair)
  return { path: url.slice(0, mark), query }
}

function readPair(part: string): readonly [string, string] {
  const equals = part.indexOf('=')
  if (equals < 0) return [decode(part), '']
  return [decode(part.slice(0, equals)), decode(part.slice(equals + 1))]
}

/** Percent-decoding; a plus sign is a plus sign, as S3 reads it. */
export function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    throw new S3Error('InvalidURI', `The address could not be decoded: ${String(error)}`)
  }
}

export function findQuery(query: Query, name: string): string | undefined {
  return query.find(([key]) => key === name)?.[1]
}

function readClaim(request: SignedRequest, query: Query): Claim {
  const header = request.headers.authorization
  const isPresigned = findQuery(query, 'X-Amz-Algorithm') !== undefined
  if (header === undefined && !isPresigned) {
    throw new S3Error('AccessDenied', 'Access Denied')
  }
  if (header !== undefined && isPresigned) {
    throw new S3Error('InvalidArgument', 'Only one auth mechanism allowed')
  }
  return header === undefined ? readQueryClaim(request, query) : readHeaderClaim(request, header)
}

function readHeaderClaim(request: SignedRequest, header: string): Claim {
  const match = authorizationForm.exec(header)
  const [, credential, signedHeaders, signature] = match ?? []
  if (credential === undefined || signedHeaders === undefined || signature === undefined) {
    throw new S3Error('AuthorizationHeaderMalformed', 'The authorization header is malformed.')
  }
  const payloadHash = textOf(request.headers['x-amz-content-sha256'])
  if (payloadHash === undefined) {
    throw new S3Error('InvalidRequest', 'Missing required header: x-amz-content-sha256')
  }
  return {
    ...readCredential(credential),
    signedHeaders: signedHeaders.split(';'),
    signature,
    timestamp: textOf(request.headers['x-amz-date']) ?? '',
    payloadHash,
    isPresigned: false,
  }
}

function readQueryClaim(request: SignedRequest, query: Query): Claim {
  const required = (name: string): string => {
    const value = findQuery(query, name)
    if (value !== undefined && value !== '') return value
    throw new S3Error('AuthorizationQueryParametersError', `The query needs ${name}.`)
  }
  if (required('X-Amz-Algorithm') !== algorithm) {
    throw new S3Error('AuthorizationQueryParametersError', `Only ${algorithm} is supported.`)
  }
  const payloadHash =
    findQuery(query, 'X-Amz-Content-Sha256') ??
    textOf(request.headers['x-amz-content-sha256']) ??
    unsignedPayload
  return {
    ...readCredential(required('X-Amz-Credential')),
    signedHeaders: required('X-Amz-SignedHeaders').split(';'),
    signature: required('X-Amz-Signature'),
    timestamp: required('X-Amz-Date'),
    payloadHash,
    isPresigned: true,
  }
}

function readCredential(credential: string) {
  const [accessKeyId, scopeDate, region, service, ending, ...rest] = credential.split('/')
  const isComplete = rest.length === 0 && service === 's3' && ending === 'aws4_request'
  if (!isComplete || !accessKeyId || !scopeDate || !region) {
    throw new S3Error('AuthorizationHeaderMalformed', 'The credential is not one for S3.')
  }
  return { accessKeyId, scopeDate, region, scope: `${scopeDate}/${region}/s3/aws4_request` }
}

function requireFresh(claim: Claim, query: Query, now: Date): void {
  const signedAt = parseTimestamp(claim.timestamp)
  if (claim.scopeDate !== claim.timestamp.slice(0, 8)) {
    throw new S3Error('AuthorizationHeaderMalformed', 'The date of the scope is another one.')
  }
  if (!claim.isPresigned) {
    if (Math.abs(now.getTime() - signedAt) <= skewMaxMs) return
    throw new S3Error('RequestTimeTooSkewed', 'The clocks differ by more than 15 minutes.')
  }
  const expiresText = findQuery(query, 'X-Amz-Expires') ?? ''
  const expiresSeconds = /^\d{1,6}$/.test(expiresText) ? Number(expiresText) : 0
  if (expiresSeconds < 1 || expiresSeconds > expiresMaxSeconds) {
    throw new S3Error('AuthorizationQueryParametersError', 'X-Amz-Expires is out of range.')
  }
  if (now.getTime() > signedAt + expiresSeconds * 1000) {
    throw new S3Error('AccessDenied', 'Request has expired')
  }
  if (signedAt > now.getTime() + skewMaxMs) {
    throw new S3Error('AccessDenied', 'Request is not valid yet')
  }
}

function parseTimestamp(text: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text)
  if (match === null) throw new S3Error('AccessDenied', 'A valid x-amz-date is required.')
  const [, year, month, day, hour, minute, second] = match
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
}

/** Without this an attacker could add, say, a copy source to someone else's presigned PUT. */
function requireCoverage(headers: IncomingHttpHeaders, claim: Claim): void {
  const unsigned = Object.keys(headers).filter(
    name =>
      name.startsWith('x-amz-') &&
      name !== 'x-amz-content-sha256' &&
      !claim.signedHeaders.includes(name),
  )
  if (!claim.signedHeaders.includes('host')) unsigned.push('host')
  if (unsigned.length === 0) return
  throw new S3Error(
    'AccessDenied',
    'There were headers present in the request which were not signed',
    { HeadersNotSigned: unsigned.join(', ') },
  )
}

function canonicalRequest(
  request: SignedRequest,
  path: string,
  query: Query,
  claim: Claim,
): string {
  const canonicalPath = path
    .split('/')
    .map(segment => encode(decode(segment)))
    .join('/')
  const canonicalQuery = query
    .filter(([name]) => !(claim.isPresigned && name === 'X-Amz-Signature'))
    .map(([name, value]) => [encode(name), encode(value)] as const)
    .sort(byNameThenValue)
    .map(pair => pair.join('='))
    .join('&')
  const headers = claim.signedHeaders.map(name => `${name}:${canonicalHeader(request, name)}\n`)
  return [
    request.method,
    canonicalPath,
    canonicalQuery,
    headers.join(''),
    claim.signedHeaders.join(';'),
    claim.payloadHash,
  ].join('\n')
}

type Pair = readonly [name: string, value: string]

function byNameThenValue([name, value]: Pair, [otherName, otherValue]: Pair): number {
  if (name !== otherName) return name < otherName ? -1 : 1
  return value < otherValue ? -1 : value > otherValue ? 1 : 0
}

function canonicalHeader(request: SignedRequest, name: string): string {
  return (textOf(request.headers[name]) ?? '').trim().replaceAll(/ +/g, ' ')
}

function textOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(',') : value
}

/** RFC 3986: only unreserved characters stay as they are. */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    character => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function stringToSign(claim: Claim, canonical: string): string {
  const digest = createHash('sha256').update(canonical).digest('hex')
  return [algorithm, claim.timestamp, claim.scope, digest].join('\n')
}

function signingKey(secret: string, claim: Claim): Buffer {
  return [claim.region, 's3', 'aws4_request'].reduce(
    (key, part) => createHmac('sha256', key).update(part).digest(),
    createHmac('sha256', `AWS4${secret}`).update(claim.scopeDate).digest(),
  )
}
