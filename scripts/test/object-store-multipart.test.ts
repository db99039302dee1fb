import { randomBytes } from 'node:crypto'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import t from 'tap'
import { newKey, openTarget } from './object-store-target.ts'

const { client, bucket, statusOf } = await openTarget(t)
const partBytes = 5 * 1024 * 1024
const whole = randomBytes(partBytes + 1_000)
const slices = [whole.subarray(0, partBytes), whole.subarray(partBytes)]

async function begin() {
  const at = { Bucket: bucket, Key: newKey() }
  const created = await client.send(
    new CreateMultipartUploadCommand({ ...at, ContentType: 'image/png' }),
  )
  const upload = { ...at, UploadId: created.UploadId }
  const put = async (PartNumber: number, Body: Uint8Array) => {
    const sent = await client.send(new UploadPartCommand({ ...upload, PartNumber, Body }))
    return { PartNumber, ETag: sent.ETag }
  }
  const complete = (Parts: { PartNumber: number; ETag: string | undefined }[], IfNoneMatch = '*') =>
    client.send(
      new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts }, IfNoneMatch }),
    )
  return { at, upload, put, complete }
}

t.test('the parts in their order are the object, with an ETag of ETags', async t => {
  const { at, put, complete } = await begin()
  const parts = [await put(2, slices[1] ?? whole), await put(1, slices[0] ?? whole)].reverse()

  const completed = await complete(parts)

  const stored = await client.send(new GetObjectCommand(at))
  t.ok(whole.equals((await stored.Body?.transformToByteArray()) ?? new Uint8Array()))
  t.equal(stored.ContentType, 'image/png')
  t.match(completed.ETag, /^"[0-9a-f]{32}-2"$/)
  t.equal(stored.ETag, completed.ETag)
})

t.test('nobody sees the object before it is completed, nor after it is aborted', async t => {
  const { at, upload, put, complete } = await begin()
  const part = await put(1, slices[1] ?? whole)

  const before = await statusOf(client.send(new HeadObjectCommand(at)))
  await client.send(new AbortMultipartUploadCommand(upload))

  t.equal(before, '404 NotFound')
  t.equal(await statusOf(complete([part])), '404 NoSuchUpload')
  t.equal(await statusOf(put(1, Buffer.from('late'))), '404 NoSuchUpload')
  t.equal(await statusOf(client.send(new AbortMultipartUploadCommand(upload))), '404 NoSuchUpload')
})

t.test('parts are listed by page, and one that is sent again takes the place', async t => {
  const { upload, put } = await begin()
  await put(1, Buffer.from('first'))
  await put(2, Buffer.from('second'))
  await put(1, Buffer.from('other first'))

  const one = await client.send(new ListPartsCommand({ ...upload, MaxParts: 1 }))
  const PartNumberMarker = one.NextPartNumberMarker
  const two = await client.send(new ListPartsCommand({ ...upload, PartNumberMarker }))

  t.match(one.Parts, [{ PartNumber: 1, Size: 11 }])
  t.match(two.Parts, [{ PartNumber: 2, Size: 6 }])
  t.same([one.IsTruncated, two.IsTruncated], [true, false])
})

t.test('wrong parts, their order and their size are refused', async t => {
  const { put, complete } = await begin()
  const [small, last] = [await put(1, Buffer.from('small')), await put(2, Buffer.from('last'))]

  t.equal(await statusOf(complete([small, last])), '400 EntityTooSmall')
  t.equal(await statusOf(complete([last, small])), '400 InvalidPartOrder')
  t.equal(await statusOf(complete([{ ...small, ETag: last.ETag }])), '400 InvalidPart')
  t.equal(await statusOf(complete([{ PartNumber: 3, ETag: small.ETag }])), '400 InvalidPart')
  t.equal(await statusOf(put(10_001, Buffer.from('x'))), '400 InvalidArgument')
  t.equal(await statusOf(complete([last])), '200', 'parts that are not named are left out')
})

t.test('an object that is there is not replaced when the completion says so', async t => {
  const { at, put, complete } = await begin()
  const part = await put(1, Buffer.from('parts'))
  await client.send(new PutObjectCommand({ ...at, Body: 'whole' }))

  t.equal(await statusOf(complete([part])), '412 PreconditionFailed')

  const stored = await client.send(new GetObjectCommand(at))
  t.equal(await stored.Body?.transformToString(), 'whole')
})

t.test('what was begun is listed by prefix until it ends', async t => {
  const { at, upload, put, complete } = await begin()
  const list = async () => {
    const Prefix = at.Key
    const found = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix }))
    return (found.Uploads ?? []).map(({ UploadId }) => UploadId)
  }

  const during = await list()
  await complete([await put(1, Buffer.from('x'))])

  t.same(during, [upload.UploadId])
  t.same(await list(), [])
})
