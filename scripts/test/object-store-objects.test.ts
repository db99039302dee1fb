import {
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import t from 'tap'
import { newKey, openTarget, sha256Base64 } from './object-store-target.ts'

const { client, bucket, statusOf } = await openTarget(t)
const bytes = '0123456789'

function put(key: string, options: { body?: string; ifNoneMatch?: string; ifMatch?: string } = {}) {
  return client.send(
    new PutObjectCommand({
      Bucket: bucket,
      Key: key,
      Body: options.body ?? bytes,
      ContentType: 'image/png',
      ChecksumSHA256: sha256Base64(options.body ?? bytes),
      IfNoneMatch: options.ifNoneMatch,
      IfMatch: options.ifMatch,
    }),
  )
}

function copy(from: string, to: string, options: object = {}) {
  const CopySource = `${bucket}/${encodeURIComponent(from)}`
  return client.send(new CopyObjectCommand({ Bucket: bucket, Key: to, CopySource, ...options }))
}

function get(key: string, options: object = {}) {
  return client.send(new GetObjectCommand({ Bucket: bucket, Key: key, ...options }))
}

function head(key: string, options: object = {}) {
  return client.send(new HeadObjectCommand({ Bucket: bucket, Key: key, ...options }))
}

t.test('of two writers with If-None-Match one succeeds and the other is told', async t => {
  const key = newKey()

  const writes = [put(key, { ifNoneMatch: '*' }), put(key, { ifNoneMatch: '*', body: 'other' })]
  const statuses = await Promise.all(writes.map(statusOf))

  t.same(statuses.toSorted(), ['200', '412 PreconditionFailed'])
})

t.test('If-Match writes only over the object that is meant', async t => {
  const key = newKey()
  const { ETag } = await put(key)

  t.equal(await statusOf(put(key, { ifMatch: '"0"' })), '412 PreconditionFailed')
  t.equal(await statusOf(put(key, { ifMatch: ETag ?? '', body: 'second' })), '200')
  t.equal(await statusOf(put(newKey(), { ifMatch: ETag ?? '' })), '404 NoSuchKey')
})

t.test('a copy has the bytes, the type and the checksum of its source', async t => {
  const [from, to] = [newKey(), newKey()]
  await put(from)

  const copied = await copy(from, to, { ChecksumAlgorithm: 'SHA256' })

  const found = await head(to, { ChecksumMode: 'ENABLED' })
  t.equal(copied.CopyObjectResult?.ChecksumSHA256, sha256Base64(bytes))
  t.equal(found.ChecksumSHA256, sha256Base64(bytes))
  t.equal(found.ContentType, 'image/png')
})

t.test('a copy can replace the headers of its source', async t => {
  const [from, to] = [newKey(), newKey()]
  await put(from)

  await copy(from, to, {
    MetadataDirective: 'REPLACE',
    ContentType: 'image/webp',
    CacheControl: 'max-age=60',
  })

  t.match(await head(to), { ContentType: 'image/webp', CacheControl: 'max-age=60' })
})

t.test('a copy is refused when its source changed or its target exists', async t => {
  const [from, to] = [newKey(), newKey()]
  const { ETag } = await put(from)
  const stale = copy(from, to, { CopySourceIfMatch: '"0"' })
  t.equal(await statusOf(stale), '412 PreconditionFailed')

  t.equal(await statusOf(copy(from, to, { CopySourceIfMatch: ETag, IfNoneMatch: '*' })), '200')
  t.equal(await statusOf(copy(from, to, { IfNoneMatch: '*' })), '412 PreconditionFailed')
  t.equal(await statusOf(copy(newKey(), newKey())), '404 NoSuchKey')
})

t.test('checksums are told to those who ask', async t => {
  const key = newKey()
  await put(key)

  t.equal((await head(key)).ChecksumSHA256, undefined)
  t.equal((await head(key, { ChecksumMode: 'ENABLED' })).ChecksumSHA256, sha256Base64(bytes))
})

t.test('ranges give the first, the last and the middle bytes', async t => {
  const key = newKey()
  await put(key)
  const read = async (Range: string) => (await get(key, { Range })).Body?.transformToString()

  t.equal(await read('bytes=0-3'), '0123')
  t.equal(await read('bytes=7-'), '789')
  t.equal(await read('bytes=-2'), '89')
  t.equal(await read('bytes=8-99'), '89')
  t.equal(await statusOf(get(key, { Range: 'bytes=10-' })), '416 InvalidRange')
})

t.test('a reader who has the object already is told so', async t => {
  const key = newKey()
  const { ETag } = await put(key)

  t.match(await statusOf(get(key, { IfNoneMatch: ETag })), /^304/)
  t.equal(await statusOf(get(key, { IfMatch: '"0"' })), '412 PreconditionFailed')
})

t.test('deleting is the same for what is there and what is not', async t => {
  const [one, two, absent] = [newKey(), newKey(), newKey()]
  await Promise.all([put(one), put(two)])

  await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: one }))
  await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: absent }))
  const Objects = [{ Key: two }, { Key: absent }]
  const deleted = await client.send(
    new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects } }),
  )

  t.equal(deleted.Deleted?.length, 2)
  t.equal(await statusOf(get(one)), '404 NoSuchKey')
  t.equal(await statusOf(head(two)), '404 NotFound')
})

t.test('a listing comes in pages, in order, and folds at a delimiter', async t => {
  const prefix = `listing-${Date.now()}/`
  const names = ['a', 'b/1', 'b/2', 'c', 'd&e']
  for (const name of names) await put(prefix + name)
  const list = (options: object) =>
    client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ...options }))

  const first = await list({ MaxKeys: 2 })
  const second = await list({ ContinuationToken: first.NextContinuationToken })
  const folded = await list({ Delimiter: '/' })

  const keys = [...(first.Contents ?? []), ...(second.Contents ?? [])].map(({ Key }) => Key)
  t.same(
    keys,
    names.map(name => prefix + name),
  )
  t.same(folded.CommonPrefixes, [{ Prefix: `${prefix}b/` }])
  t.equal(folded.Contents?.length, 3)
})

t.test('a bucket that is not there is told from a key that is not there', async t => {
  const absent = { Bucket: 'no-such-bucket', Key: 'key' }

  t.equal(await statusOf(client.send(new HeadBucketCommand({ Bucket: bucket }))), '200')
  t.equal(await statusOf(client.send(new GetObjectCommand(absent))), '404 NoSuchBucket')
})

t.test('what is not offered is refused rather than ignored', async t => {
  const key = newKey()
  await put(key)

  const other = client.send(
    new PutObjectCommand({ Bucket: bucket, Key: key, Body: 'x', ChecksumCRC32C: 'AAAAAA==' }),
  )

  t.equal(await statusOf(other), '501 NotImplemented')
})
