import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import {
  GetObjectCommand,
  type GetObjectCommandOutput,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3'
import { s3AccessDenied } from './error-bodies.ts'
import type { Stored } from './edge-cache.ts'

export interface OriginOptions {
  readonly endpoint: string
  readonly bucket: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly region?: string
  /** CloudFront's origin response timeout; 30 seconds unless changed. */
  readonly replyTimeoutMs?: number
}

export type OriginReply =
  | { readonly kind: 'whole'; readonly reply: Stored }
  /** Larger than the edge keeps: the body is for one viewer, as it comes. */
  | { readonly kind: 'stream'; readonly head: Omit<Stored, 'body'>; readonly body: Readable }
  | { readonly kind: 'not-modified' }
  | { readonly kind: 'unreachable' | 'timed-out' }

const connectTimeoutMs = 5_000
const defaultReplyTimeoutMs = 30_000

/**
 * A private bucket behind origin access control: every request is signed (SigV4), and because
 * the distribution may not list the bucket, S3 says 403 where an object is missing.
 */
export class Origin {
  readonly #client: S3Client
  readonly #bucket: string
  readonly #wholeBytesMax: number

  constructor(options: OriginOptions, wholeBytesMax: number) {
    this.#bucket = options.bucket
    this.#wholeBytesMax = wholeBytesMax
    this.#client = new S3Client({
      endpoint: options.endpoint,
      region: options.region ?? 'us-east-2',
      credentials: {
        accessKeyId: options.accessKeyId,
        secretAccessKey: options.secretAccessKey,
      },
      forcePathStyle: true,
      maxAttempts: 1,
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: {
        connectionTimeout: connectTimeoutMs,
        requestTimeout: options.replyTimeoutMs ?? defaultReplyTimeoutMs,
        throwOnRequestTimeout: true,
      },
    })
  }

  /** Reads an object; with an ETag only when it has another one by now. */
  async read(key: string, etag?: string): Promise<OriginReply> {
    const output = await this.#get({ Key: key, ...(etag && { IfNoneMatch: etag }) })
    if ('kind' in output) return output
    const head = { status: 200, headers: headersOf(output) }
    const body = output.Body
    // The SDK types the body for browsers as well; in Node it is a Readable.
    if (!(body instanceof Readable)) return { kind: 'unreachable' }
    if ((output.ContentLength ?? 0) > this.#wholeBytesMax) return { kind: 'stream', head, body }
    return { kind: 'whole', reply: { ...head, body: await buffer(body) } }
  }

  /** Reads a part of a large object; the range goes to S3 as the viewer wrote it. */
  async readRange(key: string, range: string): Promise<OriginReply> {
    const output = await this.#get({ Key: key, Range: range })
    if ('kind' in output) return output
    const body = output.Body
    if (!(body instanceof Readable)) return { kind: 'unreachable' }
    const status = output.ContentRange === undefined ? 200 : 206
    return { kind: 'stream', head: { status, headers: headersOf(output) }, body }
  }

  close(): void {
    this.#client.destroy()
  }

  async #get(input: {
    Key: string
    IfNoneMatch?: string
    Range?: string
  }): Promise<GetObjectCommandOutput | OriginReply> {
    try {
      return await this.#client.send(new GetObjectCommand({ Bucket: this.#bucket, ...input }))
    } catch (error) {
      return replyToFailure(error)
    }
  }
}

/** S3's refusals are replies like any other; only a broken connection is a failure. */
function replyToFailure(error: unknown): OriginReply {
  if (error instanceof S3ServiceException) {
    const status = error.$metadata.httpStatusCode ?? 500
    if (status === 304) return { kind: 'not-modified' }
    if (status === 404 || status === 403) return { kind: 'whole', reply: s3AccessDenied() }
    const body = Buffer.from(`<Error><Code>${error.name}</Code></Error>`)
    return { kind: 'whole', reply: { status, headers: { 'content-type': 'text/xml' }, body } }
  }
  // The SDK calls a connection that was reset a time-out as well; CloudFront does not.
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const isReset = code === 'ECONNRESET' || code === 'EPIPE'
  const isLate = error instanceof Error && error.name === 'TimeoutError' && !isReset
  return { kind: isLate ? 'timed-out' : 'unreachable' }
}

function headersOf(output: GetObjectCommandOutput): Record<string, string> {
  const lines: Record<string, string | undefined> = {
    'content-type': output.ContentType ?? 'binary/octet-stream',
    'content-length': output.ContentLength?.toString(),
    'content-range': output.ContentRange,
    'content-disposition': output.ContentDisposition,
    'content-encoding': output.ContentEncoding,
    'content-language': output.ContentLanguage,
    'cache-control': output.CacheControl,
    etag: output.ETag,
    'last-modified': output.LastModified?.toUTCString(),
    'accept-ranges': 'bytes',
  }
  const present = Object.entries(lines).filter((line): line is [string, string] => {
    return line[1] !== undefined
  })
  return Object.fromEntries(present)
}
