import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  S3ServiceException,
  UploadPartCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { AppError } from '@funmagic/contract/problem'
import type { BucketRole, Place } from './asset.ts'
import { StoreFailure } from './object-store.ts'
import type { PartStore, PartTerms, SentPart, UploadRequest } from './part-store.ts'

interface S3Clients {
  readonly client: S3Client
  /** Signs with the address that clients use; it never connects. */
  readonly presigner: S3Client
  readonly buckets: Readonly<Record<BucketRole, string>>
}

const callDeadlineMs = 8_000
/** Joining many parts may take S3 minutes; ours are few. */
const joinDeadlineMs = 30_000
const pagesMax = 10

/**
 * Multipart uploads of S3. The role needs s3:ListMultipartUploadParts, s3:AbortMultipartUpload and,
 * on the bucket, s3:ListBucketMultipartUploads.
 */
export class S3PartStore implements PartStore {
  readonly #client: S3Client
  readonly #presigner: S3Client
  readonly #buckets: S3Clients['buckets']

  constructor({ client, presigner, buckets }: S3Clients) {
    this.#client = client
    this.#presigner = presigner
    this.#buckets = buckets
  }

  async begin(place: Place, { mimeType }: { mimeType: string }): Promise<string> {
    const command = new CreateMultipartUploadCommand({ ...this.#at(place), ContentType: mimeType })
    return orFailure(async () => {
      const { UploadId } = await this.#client.send(command, timeout(callDeadlineMs))
      if (UploadId === undefined) throw new Error('the store named no upload')
      return UploadId
    })
  }

  async presign(place: Place, terms: PartTerms): Promise<UploadRequest> {
    const command = new UploadPartCommand({
      ...this.#at(place),
      UploadId: terms.multipartId,
      PartNumber: terms.partNumber,
      ContentLength: terms.sizeBytes,
    })
    const url = await orFailure(() =>
      getSignedUrl(this.#presigner, command, {
        expiresIn: terms.expiresInSeconds,
        signingDate: terms.signedAt,
      }),
    )
    return { url, headers: { 'content-length': String(terms.sizeBytes) } }
  }

  async list(place: Place, multipartId: string): Promise<SentPart[] | undefined> {
    const parts: SentPart[] = []
    const at = { ...this.#at(place), UploadId: multipartId }
    try {
      let marker: string | undefined
      for (let page = 0; page < pagesMax; page++) {
        const command = new ListPartsCommand({ ...at, PartNumberMarker: marker })
        const reply = await this.#client.send(command, timeout(callDeadlineMs))
        for (const { PartNumber = 0, Size = 0, ETag = '' } of reply.Parts ?? []) {
          parts.push({ partNumber: PartNumber, sizeBytes: Size, etag: ETag })
        }
        if (reply.IsTruncated !== true) return parts
        marker = reply.NextPartNumberMarker
      }
      throw new Error(`more than ${pagesMax} pages of parts`)
    } catch (error) {
      if (statusOf(error) === 404) return undefined
      throw new StoreFailure(error)
    }
  }

  async join(
    place: Place,
    { multipartId, parts }: { multipartId: string; parts: readonly SentPart[] },
  ): Promise<boolean> {
    const command = new CompleteMultipartUploadCommand({
      ...this.#at(place),
      UploadId: multipartId,
      MultipartUpload: {
        Parts: parts.map(({ partNumber, etag }) => ({ PartNumber: partNumber, ETag: etag })),
      },
      IfNoneMatch: '*',
    })
    try {
      await this.#client.send(command, timeout(joinDeadlineMs))
      return true
    } catch (error) {
      // 404: joined or abandoned; 412 and 409: the place is taken; 400: a part was sent again.
      const status = statusOf(error)
      if (status !== undefined && [400, 404, 409, 412].includes(status)) return false
      throw new StoreFailure(error)
    }
  }

  async abandon(place: Place): Promise<void> {
    const { Bucket, Key } = this.#at(place)
    await orFailure(async () => {
      const command = new ListMultipartUploadsCommand({ Bucket, Prefix: Key })
      const reply = await this.#client.send(command, timeout(callDeadlineMs))
      // One page: an upload is begun once or twice.
      for (const upload of reply.Uploads ?? []) {
        if (upload.Key === Key) await this.#abort({ Bucket, Key, UploadId: upload.UploadId })
      }
    })
  }

  async #abort(at: { Bucket: string; Key: string; UploadId: string | undefined }): Promise<void> {
    try {
      await this.#client.send(new AbortMultipartUploadCommand(at), timeout(callDeadlineMs))
    } catch (error) {
      // Another sweeper was here.
      if (statusOf(error) !== 404) throw error
    }
  }

  #at(place: Place): { Bucket: string; Key: string } {
    return { Bucket: this.#buckets[place.bucket], Key: place.key }
  }
}

function timeout(deadlineMs: number): { abortSignal: AbortSignal } {
  return { abortSignal: AbortSignal.timeout(deadlineMs) }
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
