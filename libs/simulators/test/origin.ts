import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { Test } from 'tap'
import { type CloudFrontOptions, startCloudFront } from '../src/cloudfront/cloudfront.ts'
import { closeServer, listen } from '../src/listening.ts'

export interface StoredObject {
  readonly body: string | Buffer
  readonly headers?: Readonly<Record<string, string>>
}

/** A bucket in memory that answers as S3 does, counts what it is asked, and can be told to fail. */
interface TestOrigin {
  readonly url: string
  readonly objects: Map<string, StoredObject>
  readonly asked: { path: string; authorization: string; ifNoneMatch: string | undefined }[]
  /** Answers before the objects are looked at: a status, or a cut connection. */
  fault: (() => number | 'cut' | Promise<undefined> | undefined) | undefined
}

export async function startOrigin(t: Test): Promise<TestOrigin> {
  const origin: TestOrigin = { url: '', objects: new Map(), asked: [], fault: undefined }
  const server = createServer((request, response) => {
    const { authorization = '', 'if-none-match': ifNoneMatch, range } = request.headers
    origin.asked.push({ path: request.url ?? '', authorization, ifNoneMatch })
    void (async () => {
      const fault = await origin.fault?.()
      if (fault === 'cut') return request.socket.destroy()
      if (fault !== undefined) return response.writeHead(fault).end('<Error/>')
      const path = decodeURIComponent((request.url ?? '').split('?', 1)[0] ?? '')
      const object = origin.objects.get(path.replace(/^\/bucket\//, ''))
      if (object === undefined) {
        return response.writeHead(404).end('<Error><Code>NoSuchKey</Code></Error>')
      }
      const body = Buffer.from(object.body)
      const etag = `"${createHash('md5').update(body).digest('hex')}"`
      if (ifNoneMatch === etag) return response.writeHead(304, { etag }).end()
      const headers = { etag, 'last-modified': 'Sat, 01 Nov 2025 00:00:00 GMT', ...object.headers }
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? []
      if (first === undefined) return response.writeHead(200, headers).end(body)
      const part = body.subarray(Number(first), Number(last) + 1)
      const contentRange = `bytes ${first}-${last}/${body.length}`
      return response.writeHead(206, { ...headers, 'content-range': contentRange }).end(part)
    })()
  })
  const url = await listen(server, {})
  t.teardown(() => closeServer(server, 0))
  return Object.assign(origin, { url })
}

/** A distribution over the bucket. */
export async function startTestCloudFront(
  t: Test,
  origin: TestOrigin,
  options: Partial<CloudFrontOptions> = {},
) {
  const cloudFront = await startCloudFront({
    distributionId: 'E1TEST',
    origin: { endpoint: origin.url, bucket: 'bucket', accessKeyId: 'AK', secretAccessKey: 'SK' },
    prefix: 'public/',
    drainMs: 0,
    ...options,
  })
  t.teardown(() => cloudFront[Symbol.asyncDispose]())
  return cloudFront
}
