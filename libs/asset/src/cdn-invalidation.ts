import { CloudFrontClient, CreateInvalidationCommand } from '@aws-sdk/client-cloudfront'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { StoreFailure } from './object-store.ts'

/** What an edge of the public distribution answers to anybody. */
export type EdgeAnswer = 'served' | 'refused'

/** Makes the edges of the public distribution forget objects that are public no longer (TR2). */
export interface CdnInvalidation {
  /** Resolves when the request is accepted. Repeating it with its reference is harmless. */
  invalidate(request: { paths: readonly string[]; reference: string }): Promise<void>
  /** Asks for a public object as anybody does. StoreFailure when the answer says neither. */
  probe(key: string): Promise<EdgeAnswer>
  close(): void
}

export interface CloudFrontSettings {
  readonly distributionId: string
  /** The public address of a key (resolve-url.ts). */
  readonly addressOf: (key: string) => string
  /** Unset for AWS itself. */
  readonly endpoint?: string | undefined
  readonly accessKey?: string | undefined
  readonly secretKey?: string | undefined
}

const deadlineMs = 8_000
const connectTimeoutMs = 2_000
const requestTimeoutMs = 5_000
const probeDeadlineMs = 5_000
const attemptsMax = 3
// CloudFront is one for the whole world, and its API is here.
const controlRegion = 'us-east-1'

/** Opens no connection yet: the first call does. */
export function openCdnInvalidation(settings: CloudFrontSettings): CdnInvalidation {
  const { accessKey: accessKeyId, secretKey: secretAccessKey, endpoint } = settings
  const client = new CloudFrontClient({
    region: controlRegion,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(accessKeyId === undefined || secretAccessKey === undefined
      ? {}
      : { credentials: { accessKeyId, secretAccessKey } }),
    maxAttempts: attemptsMax,
    requestHandler: new NodeHttpHandler({
      connectionTimeout: connectTimeoutMs,
      requestTimeout: requestTimeoutMs,
      throwOnRequestTimeout: true,
    }),
  })
  return {
    async invalidate({ paths, reference }) {
      const command = new CreateInvalidationCommand({
        DistributionId: settings.distributionId,
        InvalidationBatch: {
          CallerReference: reference,
          Paths: { Quantity: paths.length, Items: [...paths] },
        },
      })
      try {
        await client.send(command, { abortSignal: AbortSignal.timeout(deadlineMs) })
      } catch (error) {
        throw new StoreFailure(error)
      }
    },
    probe: key => probe(settings.addressOf(key)),
    close: () => client.destroy(),
  }
}

async function probe(address: string): Promise<EdgeAnswer> {
  const status = await statusOf(address)
  if (status < 400) return 'served'
  // 410 and 451 are what a firewall or a custom error page may make of a refusal.
  if ([403, 404, 410, 451].includes(status)) return 'refused'
  throw new StoreFailure(new Error(`the CDN answers ${status}`))
}

/** HEAD: the edge answers it out of the object that it has cached for GET. */
async function statusOf(address: string): Promise<number> {
  try {
    const signal = AbortSignal.timeout(probeDeadlineMs)
    const reply = await fetch(address, { method: 'HEAD', redirect: 'manual', signal })
    return reply.status
  } catch (error) {
    throw new StoreFailure(error)
  }
}
