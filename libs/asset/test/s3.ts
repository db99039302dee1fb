import type { Test } from 'tap'
import type { ObjectStore } from '../src/object-store.ts'
import type { UploadRequest } from '../src/part-store.ts'
import { openS3ObjectStore, type S3Settings } from '../src/s3-object-store.ts'

/** The S3 server that the tests run against, from the environment. */
export function s3Settings(): S3Settings {
  const read = (name: string): string => {
    const value = process.env[name]
    if (!value) throw new Error(`${name} is not set: run the tests with \`npm test\``)
    return value
  }
  return {
    region: read('S3_REGION'),
    endpoint: read('S3_ENDPOINT'),
    accessKey: read('S3_ACCESS_KEY'),
    secretKey: read('S3_SECRET_KEY'),
    buckets: {
      public: read('S3_BUCKET_PUBLIC'),
      private: read('S3_BUCKET_PRIVATE'),
      admin: read('S3_BUCKET_ADMIN'),
    },
  }
}

export function openTestStore(t: Test): ObjectStore {
  const store = openS3ObjectStore(s3Settings())
  t.teardown(() => store.close())
  return store
}

/** Sends a signed upload as a client does, and tells the status. */
export async function sendUpload(request: UploadRequest, bytes: Uint8Array): Promise<number> {
  const headers = { ...request.headers, 'content-length': String(bytes.length) }
  const body = new Uint8Array(bytes)
  const reply = await fetch(request.url, { method: 'PUT', headers, body })
  await reply.arrayBuffer()
  return reply.status
}
