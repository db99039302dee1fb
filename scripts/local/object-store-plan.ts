import { join } from 'node:path'
import type { ChildPlan } from './child.ts'
import { host } from './ports.ts'

export interface ObjectStoreOptions {
  readonly folder: string
  readonly port: number
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** The three buckets, by the variables under which services know them. */
export const buckets = {
  S3_BUCKET_PUBLIC: 'funmagic-public',
  S3_BUCKET_PRIVATE: 'funmagic-private',
  S3_BUCKET_ADMIN: 'funmagic-admin',
} as const

export const s3Region = 'us-east-2'
const stopDeadlineMs = 5_000
const healthTimeoutMs = 1_000

export function objectStorePlan(options: ObjectStoreOptions): ChildPlan {
  return {
    name: 's3',
    command: process.execPath,
    parameters: [join(import.meta.dirname, 'object-store-server.ts')],
    environment: {
      S3_FOLDER: options.folder,
      S3_PORT: String(options.port),
      S3_ACCESS_KEY: options.accessKeyId,
      S3_SECRET_KEY: options.secretAccessKey,
      S3_BUCKETS: Object.values(buckets).join(','),
    },
    folder: import.meta.dirname,
    stopSignal: 'SIGTERM',
    stopDeadlineMs,
  }
}

/** It answers, and refuses whoever has no signature. */
export async function checkObjectStore(port: number): Promise<void> {
  const signal = AbortSignal.timeout(healthTimeoutMs)
  const response = await fetch(`http://${host}:${port}/`, { signal })
  await response.body?.cancel()
  if (response.status !== 403) throw new Error(`the object store answered ${response.status}`)
}
