import { createHash } from 'node:crypto'
import { addAbortSignal, Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
  S3ServiceException,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { AppError } from '@funmagic/contract/problem'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import type { BucketRole, Place } from './asset.ts'
import { sha256Of } from './digests.ts'
import {
  copyBytesMax,
  type ListedObject,
  type ObjectCopy,
  type ObjectHeaders,
  type ObjectStore,
  type StoredObject,
  StoreFailure,
  type UploadTerms,
} from './object-store.ts'
import type { UploadRequest } from './part-store.ts'
import { S3PartStore } from './s3-part-store.ts'

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
  readonly deadlines?: StoreDeadlines | undefined
}

/** How long a call takes at most, with all its tries: one without and one with bytes. */
export interface StoreDeadlines {
  readonly callMs: number
  readonly bytesMs: number
  /** A try that gets no byte for so long is given up. */
  readonly silenceMs: number
}

const connectTimeoutMs = 2_000
const deadlineDefaults: StoreDeadlines = { callMs: 8_000, bytesMs: 60_000, silenceMs: 20_000 }
const attemptsMax = 3
const createTriesMax = 3
const healthKey = 'quarantine/health'

/** Opens no connection yet: the first call does. */
export function openS3ObjectStore(settings: S3Settings): ObjectStore {
  return new S3ObjectStore(settings)
}

/**
 * S3, or a server that speaks its protocol. The role needs s3:ListBucket besides the object
 * actions: without it S3 answers 403 instead of 404 for a missing key.
 */
class S3ObjectStore implements ObjectStore {
  readonly #client: S3Client
  /** Signs with the address that clients use; it never connects. */
  readonly #presigner: S3Client
  readonly #buckets: S3Settings['buckets']
  readonly #deadlines: StoreDeadlines
  readonly parts: S3PartStore

  constructor(settings: S3Settings) {
    this.#buckets = settings.buckets
    this.#deadlines = settings.deadlines ?? deadlineDefaults
    this.#client = new S3Client(clientConfig(settings, settings.endpoint))
    const publicEndpoint = settings.publicEndpoint ?? settings.endpoint
    this.#presigner = new S3Client(clientConfig(settings, publicEndpoint))
    this.parts = new S3PartStore({
      client: this.#client,
      presigner: this.#presigner,
      buckets: this.#buckets,
    })
  }

  async check(): Promise<void> {
    await this.find({ bucket: 'private', key: healthKey })
  }

  async find(place: Place): Promise<StoredObject | undefined> {
    const head = await this.#head(place, AbortSignal.timeout(this.#deadlines.callMs))
    return head && describe(head)
  }

  async read(place: Place, { bytesMax }: { bytesMax: number }): Promise<Uint8Array | undefined> {
    const signal = AbortSignal.timeout(this.#deadlines.bytesMs)
    return orFailure(async () => {
      const body = await this.#open(place, signal)
      return body && collect(body, bytesMax)
    })
  }

  async open(place: Place, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined> {
    const body = await orFailure(() => this.#open(place, signal))
    return body && passOn(body)
  }

  async list(
    bucket: BucketRole,
    { after, limit }: { after: string; limit: number },
  ): Promise<ListedObject[]> {
    const command = new ListObjectsV2Command({
      Bucket: this.#buckets[bucket],
      MaxKeys: limit,
      ...(after === '' ? {} : { StartAfter: after }),
    })
    const abortSignal = AbortSignal.timeout(this.#deadlines.callMs)
    const reply = await orFailure(() => this.#client.send(command, { abortSignal }))
    return (reply.Contents ?? []).map(({ Key = '', Size = 0, LastModified }) => {
      return { key: Key, sizeBytes: Size, modifiedAt: LastModified ?? new Date() }
    })
  }

  async create(place: Place, bytes: Uint8Array, headers: ObjectHeaders): Promise<boolean> {
    // A retry that finds its bytes need not send them again.
    if ((await this.find(place)) !== undefined) return false
    const sha256 = await sha256Of(bytes)
    const signal = AbortSignal.timeout(this.#deadlines.bytesMs)
    const command = new PutObjectCommand({
      ...this.#at(place),
      ...toS3Headers(headers),
      Body: bytes,
      ContentLength: bytes.length,
      ChecksumSHA256: toBase64(sha256),
      IfNoneMatch: '*',
    })
    signDigest(command, sha256)
    return orFailure(async () => {
      for (let tries = 1; ; tries++) {
        // Bounded by createTriesMax: the last try's error leaves the loop.
        try {
          await this.#client.send(command, { abortSignal: signal })
          return true
        } catch (error) {
          if (statusOf(error) === 412) return false
          // 409: another conditional write to the key was under way; the next try tells who won.
          if (statusOf(error) !== 409 || tries >= createTriesMax) throw error
          await wait(50 * tries)
        }
      }
    })
  }

  async copy({ from, to, headers, expected }: ObjectCopy, signal: AbortSignal): Promise<void> {
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(this.#deadlines.bytesMs)])
    if (expected !== 'source' && expected.sizeBytes > copyBytesMax) {
      throw new AppError('PAYLOAD_TOO_LARGE')
    }
    const source = this.#at(from)
    const command = new CopyObjectCommand({
      ...this.#at(to),
      ...toS3Headers(headers),
      CopySource: `${source.Bucket}/${source.Key}`,
      MetadataDirective: 'REPLACE',
      ChecksumAlgorithm: 'SHA256',
    })
    await orFailure(async () => {
      await this.#client.send(command, { abortSignal: bounded })
      const wanted = expected === 'source' ? await this.#contentOf(from, bounded) : expected
      const copied = await this.#contentOf(to, bounded)
      const isSame = copied.sha256 === wanted.sha256 && copied.sizeBytes === wanted.sizeBytes
      if (!isSame) throw new Error(`the copy at ${to.key} has other bytes`)
    })
  }

  async remove(place: Place): Promise<void> {
    const abortSignal = AbortSignal.timeout(this.#deadlines.callMs)
    await orFailure(() =>
      this.#client.send(new DeleteObjectCommand(this.#at(place)), { abortSignal }),
    )
  }

  async presignUpload(place: Place, terms: UploadTerms): Promise<UploadRequest> {
    const checksum = terms.sha256 === null ? undefined : toBase64(terms.sha256)
    const headers = {
      'content-type': terms.mimeType,
      'content-length': String(terms.sizeBytes),
      'if-none-match': '*',
      ...(checksum === undefined ? {} : { 'x-amz-checksum-sha256': checksum }),
    }
    const command = new PutObjectCommand({
      ...this.#at(place),
      ContentType: terms.mimeType,
      ContentLength: terms.sizeBytes,
      IfNoneMatch: '*',
      ...(checksum === undefined ? {} : { ChecksumSHA256: checksum }),
    })
    const url = await orFailure(() =>
      getSignedUrl(this.#presigner, command, {
        expiresIn: terms.expiresInSeconds,
        signingDate: terms.signedAt,
        // Left to itself the presigner signs no type (aws-sdk-js-v3#3497) and moves the checksum
        // to the query, where S3 does not hold the sender to it (#3906).
        signableHeaders: new Set(['content-type']),
        unhoistableHeaders: new Set(['x-amz-checksum-sha256']),
      }),
    )
    return { url, headers }
  }

  async presignDownload(place: Place, terms: { expiresInSeconds: number }): Promise<string> {
    const command = new GetObjectCommand(this.#at(place))
    return orFailure(() =>
      getSignedUrl(this.#presigner, command, { expiresIn: terms.expiresInSeconds }),
    )
  }

  close(): void {
    this.#client.destroy()
    this.#presigner.destroy()
  }

  #at(place: Place): { Bucket: string; Key: string } {
    return { Bucket: this.#buckets[place.bucket], Key: place.key }
  }

  async #head(place: Place, signal: AbortSignal): Promise<HeadObjectCommandOutput | undefined> {
    const command = new HeadObjectCommand({ ...this.#at(place), ChecksumMode: 'ENABLED' })
    return orFailure(() =>
      orUndefinedWhenMissing(this.#client.send(command, { abortSignal: signal })),
    )
  }

  async #open(place: Place, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined> {
    const command = new GetObjectCommand(this.#at(place))
    const reply = await orUndefinedWhenMissing(this.#client.send(command, { abortSignal: signal }))
    if (reply === undefined) return undefined
    if (!(reply.Body instanceof Readable)) throw new Error('the store sent no body')
    return addAbortSignal(signal, reply.Body)
  }

  /** By the checksum that the store keeps, or by reading all of it from a store that keeps none. */
  async #contentOf(
    place: Place,
    signal: AbortSignal,
  ): Promise<{ sizeBytes: number; sha256: string }> {
    const head = await this.#head(place, signal)
    const sizeBytes = head?.ContentLength ?? -1
    const kept = head?.ChecksumSHA256
    if (kept !== undefined)
      return { sizeBytes, sha256: Buffer.from(kept, 'base64').toString('hex') }
    const body = await this.#open(place, signal)
    const hash = createHash('sha256')
    if (body) for await (const chunk of body) hash.update(chunk)
    return { sizeBytes, sha256: hash.digest('hex') }
  }
}

function clientConfig(settings: S3Settings, endpoint: string | undefined): S3ClientConfig {
  const { accessKey: accessKeyId, secretKey: secretAccessKey } = settings
  const { silenceMs } = settings.deadlines ?? deadlineDefaults
  return {
    region: settings.region,
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    ...(accessKeyId === undefined || secretAccessKey === undefined
      ? {}
      : { credentials: { accessKeyId, secretAccessKey } }),
    maxAttempts: attemptsMax,
    // We send SHA-256 where it matters; the SDK's own CRC-32 is a header that clients of a
    // presigned upload would have to know, and that not every S3-compatible server takes.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    requestHandler: new NodeHttpHandler({
      connectionTimeout: connectTimeoutMs,
      requestTimeout: silenceMs,
      // Without it a breach of requestTimeout is only logged (reliability §0, 10).
      throwOnRequestTimeout: true,
      socketTimeout: silenceMs,
    }),
  }
}

function toS3Headers(headers: ObjectHeaders) {
  return {
    ContentType: headers.mimeType,
    CacheControl: headers.cacheControl,
    ContentDisposition: headers.contentDisposition,
  }
}

function describe(head: HeadObjectCommandOutput): StoredObject {
  return {
    sizeBytes: head.ContentLength ?? 0,
    mimeType: head.ContentType ?? '',
    cacheControl: head.CacheControl ?? '',
    contentDisposition: head.ContentDisposition ?? '',
  }
}

/** A body that breaks on the way is a failure of the store. */
async function* passOn(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body
  } catch (error) {
    throw new StoreFailure(error)
  }
}

async function collect(body: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of body) {
    sizeBytes += chunk.length
    // Leaving the loop destroys the stream, so the rest is not received.
    if (sizeBytes > bytesMax) throw new AppError('PAYLOAD_TOO_LARGE')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Signs the digest that we have: the SDK would make it once more, and hold up all others. */
function signDigest(command: PutObjectCommand, sha256: string): void {
  command.middlewareStack.add(
    next => args => {
      // The serializer has made the request; the SDK declares it as unknown.
      const request = args.request as { headers: Record<string, string> }
      request.headers['x-amz-content-sha256'] = sha256
      return next(args)
    },
    { step: 'build', name: 'signDigest' },
  )
}

function toBase64(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64')
}

async function orUndefinedWhenMissing<Reply>(reply: Promise<Reply>): Promise<Reply | undefined> {
  try {
    return await reply
  } catch (error) {
    if (statusOf(error) === 404) return undefined
    throw error
  }
}

function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined
}

async function orFailure<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof AppError) throw error
    throw new StoreFailure(error)
  }
}
