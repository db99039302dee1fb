import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { createBucket, deleteBucket, headBucket, listBuckets, listObjects } from './buckets.ts'
import { allowOrigin, answerPreflight } from './cors.ts'
import type { Exchange, Reply } from './exchange.ts'
import type { ObjectDisk } from './object-disk.ts'
import {
  abortUpload,
  completeUpload,
  createUpload,
  listParts,
  listUploads,
  uploadPart,
} from './multipart.ts'
import { readObject } from './reads.ts'
import { S3Error } from './s3-error.ts'
import { decode, findQuery, splitUrl, verifySignature, type AccessKey } from './signature.ts'
import { copyObject, deleteObject, deleteObjects, putObject } from './writes.ts'
import { xmlError } from './xml.ts'

export interface ObjectServerOptions {
  readonly disk: ObjectDisk
  readonly key: AccessKey
  /** Told of failures that are not the client's. */
  readonly onError: (error: unknown) => void
}

// Longer than the SDK keeps an idle connection, so that it never writes into a closed one.
const keepAliveTimeoutMs = 65_000
const headersTimeoutMs = 70_000

/**
 * The part of Amazon S3 that FunMagic uses, with S3's answers: signatures, conditions, checksums
 * and CORS are enforced, and what is not offered is refused with NotImplemented rather than
 * ignored. Addresses are path-style (docs/decisions/0003).
 */
export function createObjectServer(options: ObjectServerOptions): Server {
  const server = createServer((request, response) => {
    void answer(request, response, options)
  })
  server.keepAliveTimeout = keepAliveTimeoutMs
  server.headersTimeout = headersTimeoutMs
  server.requestTimeout = 0
  return server
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: ObjectServerOptions,
): Promise<void> {
  const requestId = randomUUID()
  response.setHeader('x-amz-request-id', requestId)
  response.setHeader('Server', 'AmazonS3')
  try {
    allowOrigin(request, response)
    await send(request, response, await handle(request, options))
  } catch (error) {
    await sendError(request, response, { error, requestId, onError: options.onError })
  }
}

async function handle(request: IncomingMessage, options: ObjectServerOptions): Promise<Reply> {
  if (request.method === 'OPTIONS') return answerPreflight(request)
  const { method = '', url = '', headers } = request
  const signed = { method, url, headers }
  const { payloadHash } = verifySignature(signed, options.key, new Date())
  if (payloadHash.startsWith('STREAMING-')) {
    throw new S3Error('NotImplemented', `Bodies sent as ${payloadHash} are not read here.`)
  }
  const { path, query } = splitUrl(url)
  const [bucket = '', ...segments] = path.slice(1).split('/').map(decode)
  const exchange: Exchange = {
    disk: options.disk,
    method,
    bucket,
    key: segments.join('/'),
    query,
    headers,
    body: request,
    payloadHash,
  }
  refuseSubresources(exchange)
  if (exchange.key !== '') return handleObject(exchange)
  return bucket === '' ? listBuckets(options.disk) : handleBucket(exchange)
}

const subresources = new Set(
  (
    'acl attributes cors encryption legal-hold lifecycle location policy restore ' +
    'retention select tagging torrent versionId versioning versions website'
  ).split(' '),
)

/** To ignore one of these would do something else than the client asked for. */
function refuseSubresources({ query }: Exchange): void {
  const isPart = findQuery(query, 'uploadId') !== undefined
  const found = query.find(([name]) => subresources.has(name) || (name === 'partNumber' && !isPart))
  if (found === undefined) return
  throw new S3Error('NotImplemented', `The subresource ${found[0]} is not offered here.`)
}

function handleObject(exchange: Exchange): Reply | Promise<Reply> {
  if (findQuery(exchange.query, 'uploadId') !== undefined) return handleUpload(exchange)
  switch (exchange.method) {
    case 'GET':
    case 'HEAD':
      return readObject(exchange)
    case 'PUT':
      return 'x-amz-copy-source' in exchange.headers ? copyObject(exchange) : putObject(exchange)
    case 'DELETE':
      return deleteObject(exchange)
    case 'POST':
      if (findQuery(exchange.query, 'uploads') !== undefined) return createUpload(exchange)
      throw methodNotAllowed()
    default:
      throw methodNotAllowed()
  }
}

function handleUpload(exchange: Exchange): Reply | Promise<Reply> {
  switch (exchange.method) {
    case 'GET':
      return listParts(exchange)
    case 'PUT':
      if ('x-amz-copy-source' in exchange.headers) {
        throw new S3Error('NotImplemented', 'Parts cannot be copied here.')
      }
      return uploadPart(exchange)
    case 'POST':
      return completeUpload(exchange)
    case 'DELETE':
      return abortUpload(exchange)
    default:
      throw methodNotAllowed()
  }
}

function handleBucket(exchange: Exchange): Reply | Promise<Reply> {
  switch (exchange.method) {
    case 'GET':
      if (findQuery(exchange.query, 'uploads') !== undefined) return listUploads(exchange)
      return listObjects(exchange)
    case 'HEAD':
      return headBucket(exchange)
    case 'PUT':
      return createBucket(exchange)
    case 'DELETE':
      return deleteBucket(exchange)
    case 'POST':
      if (exchange.query.some(([name]) => name === 'delete')) return deleteObjects(exchange)
      throw new S3Error('NotImplemented', 'Uploads by form are not offered here.')
    default:
      throw methodNotAllowed()
  }
}

function methodNotAllowed(): S3Error {
  return new S3Error('MethodNotAllowed', 'The specified method is not allowed here.')
}

async function send(
  request: IncomingMessage,
  response: ServerResponse,
  { status, headers = {}, body }: Reply,
): Promise<void> {
  // What is left of a refused body would block the connection's next request.
  request.resume()
  response.writeHead(status, headers)
  if (body === undefined || typeof body === 'string') response.end(body)
  else await pipeline(body, response)
}

interface Failure {
  readonly error: unknown
  readonly requestId: string
  readonly onError: (error: unknown) => void
}

async function sendError(
  request: IncomingMessage,
  response: ServerResponse,
  { error, requestId, onError }: Failure,
): Promise<void> {
  if (response.destroyed || response.headersSent) {
    // The client went away, or the reply has begun: only the connection can tell.
    response.destroy()
    return
  }
  if (!(error instanceof S3Error)) onError(error)
  const known =
    error instanceof S3Error ? error : new S3Error('InternalError', 'We encountered an error.')
  const text = xmlError({
    Code: known.code,
    Message: known.message,
    ...known.detail,
    Resource: splitUrl(request.url ?? '').path,
    RequestId: requestId,
  })
  await send(request, response, {
    status: known.status,
    headers: { 'Content-Type': 'application/xml' },
    ...(request.method === 'HEAD' ? {} : { body: text }),
  })
}
