import { createServer } from 'node:http'
import t from 'tap'
import { openS3ObjectStore } from '../src/s3-object-store.ts'
import { checkObjectStore } from './object-store-conformance.ts'
import { openTestStore, s3Settings, sendUpload } from './s3.ts'

t.test('S3 keeps the rules of an object store', async t => {
  const store = openTestStore(t)

  await checkObjectStore(t, {
    store,
    send: sendUpload,
    fetch: async url => {
      const reply = await fetch(url)
      const bytes = new Uint8Array(await reply.arrayBuffer())
      return reply.ok ? bytes : undefined
    },
  })
})

t.test('a store that cannot be reached is a failure that may pass', async t => {
  const store = openS3ObjectStore({ ...s3Settings(), endpoint: 'http://127.0.0.1:1' })
  t.teardown(() => store.close())

  await t.rejects(store.check(), { name: 'StoreFailure', code: 'UNAVAILABLE' })
})

t.test('clients are sent to the public address of the store', async t => {
  const publicEndpoint = 'https://objects.example.test'
  const store = openS3ObjectStore({ ...s3Settings(), publicEndpoint })
  t.teardown(() => store.close())
  const place = { bucket: 'private', key: 'quarantine/x' } as const

  const { url } = await store.presignUpload(place, {
    mimeType: 'image/png',
    sizeBytes: 1,
    sha256: null,
    signedAt: new Date(),
    expiresInSeconds: 60,
  })

  t.ok(url.startsWith(`${publicEndpoint}/${s3Settings().buckets.private}/quarantine/x?`))
})

t.test('writes carry the digest and the condition that S3 holds them to', async t => {
  const seen: { method: string | undefined; headers: NodeJS.Dict<string | string[]> }[] = []
  const server = createServer((request, response) => {
    seen.push({ method: request.method, headers: request.headers })
    request.resume()
    request.on('end', () => response.writeHead(request.method === 'HEAD' ? 404 : 412).end())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const store = openS3ObjectStore({ ...s3Settings(), endpoint: `http://127.0.0.1:${port}` })
  t.teardown(() => store.close())

  const created = await store.create(
    { bucket: 'private', key: 'private/x' },
    Buffer.from('hello'),
    { mimeType: 'image/png', cacheControl: 'private', contentDisposition: 'inline' },
  )

  t.equal(created, false, '412: somebody else was first')
  t.match(seen.find(({ method }) => method === 'PUT')?.headers, {
    'if-none-match': '*',
    'x-amz-checksum-sha256': 'LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=',
    'content-length': '5',
  })
})
