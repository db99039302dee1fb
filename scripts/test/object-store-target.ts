import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { S3Client, S3ServiceException } from '@aws-sdk/client-s3'
import { ObjectDisk } from '../local/object-store/object-disk.ts'
import { createObjectServer } from '../local/object-store/object-server.ts'

interface Teardown {
  teardown(work: () => unknown): void
}

export interface Target {
  readonly client: S3Client
  readonly endpoint: string
  readonly bucket: string
  /** Answers the HTTP status that S3 gives to the command. */
  statusOf(work: Promise<unknown>): Promise<string>
}

/**
 * The server under test: ours, or the one at S3_CONFORMANCE_ENDPOINT with its keys and bucket, so
 * that the same rules can be held against Amazon S3 or the server of the Compose file.
 */
export async function openTarget(t: Teardown): Promise<Target> {
  const outside = process.env['S3_CONFORMANCE_ENDPOINT']
  if (outside !== undefined && outside !== '') {
    const accessKeyId = process.env['S3_CONFORMANCE_ACCESS_KEY'] ?? ''
    const secretAccessKey = process.env['S3_CONFORMANCE_SECRET_KEY'] ?? ''
    const bucket = process.env['S3_CONFORMANCE_BUCKET'] ?? 'conformance'
    return connect(t, { endpoint: outside, bucket, key: { accessKeyId, secretAccessKey } })
  }
  const key = { accessKeyId: 'AKIDTEST', secretAccessKey: randomBytes(20).toString('hex') }
  const folder = await mkdtemp(join(tmpdir(), 'object store '))
  const disk = await ObjectDisk.open(folder)
  disk.createBucket('conformance')
  const server = createObjectServer({
    disk,
    key,
    onError: error => t.teardown(() => throwIt(error)),
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  t.teardown(async () => {
    server.closeAllConnections()
    server.close()
    await rm(folder, { recursive: true })
  })
  return connect(t, { endpoint: `http://127.0.0.1:${address.port}`, bucket: 'conformance', key })
}

interface Connection {
  readonly endpoint: string
  readonly bucket: string
  readonly key: { readonly accessKeyId: string; readonly secretAccessKey: string }
}

function connect(t: Teardown, { endpoint, bucket, key }: Connection): Target {
  const client = new S3Client({
    endpoint,
    region: process.env['S3_REGION'] ?? 'us-east-2',
    forcePathStyle: true,
    credentials: key,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    maxAttempts: 1,
  })
  t.teardown(() => client.destroy())
  return { client, endpoint, bucket, statusOf }
}

async function statusOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return '200'
  } catch (error) {
    if (!(error instanceof S3ServiceException)) throw error
    return `${error.$metadata.httpStatusCode} ${error.name}`
  }
}

function throwIt(error: unknown): never {
  throw error
}

export function newKey(): string {
  return `conformance/${randomBytes(8).toString('hex')}/a b+c'(é)~.bin`
}

export function sha256Base64(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64')
}
