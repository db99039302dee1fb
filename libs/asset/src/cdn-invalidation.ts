import { CloudFrontClient, CreateInvalidationCommand } from '@aws-sdk/client-cloudfront'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { StoreFailure } from './object-store.ts'

/** Makes the edges of the public distribution forget an object that is public no longer (TR2). */
export interface CdnInvalidation {
  /** Resolves when the request is accepted. Repeating it under the same reference is harmless. */
  invalidate(key: string, reference: string): Promise<void>
  close(): void
}

export interface CloudFrontSettings {
  readonly distributionId: string
  /** Unset for AWS itself. */
  readonly endpoint?: string | undefined
  readonly accessKey?: string | undefined
  readonly secretKey?: string | undefined
}

const deadlineMs = 8_000
const connectTimeoutMs = 2_000
const requestTimeoutMs = 5_000
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
    async invalidate(key, reference) {
      const command = new CreateInvalidationCommand({
        DistributionId: settings.distributionId,
        InvalidationBatch: {
          CallerReference: reference,
          Paths: { Quantity: 1, Items: [`/${key}`] },
        },
      })
      try {
        await client.send(command, { abortSignal: AbortSignal.timeout(deadlineMs) })
      } catch (error) {
        throw new StoreFailure(error)
      }
    },
    close: () => client.destroy(),
  }
}
