import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import t from 'tap'
import { newKey, openTarget, sha256Base64 } from './object-store-target.ts'

const { client, endpoint, bucket, statusOf } = await openTarget(t)
const bytes = 'twelve bytes'
const upload = { 'content-type': 'image/png', 'x-amz-checksum-sha256': sha256Base64(bytes) }

/** A PUT that signs type, length and checksum as headers, which the SDK would otherwise not. */
function presignPut(key: string, expiresIn = 60): Promise<string> {
  const command = new PutObjectCommand({
    Bucket: bucket,
    Key: key,
    ContentType: 'image/png',
    ContentLength: bytes.length,
    ChecksumSHA256: sha256Base64(bytes),
  })
  const signed = new Set(['content-type', 'content-length', 'x-amz-checksum-sha256'])
  return getSignedUrl(client, command, {
    expiresIn,
    signableHeaders: signed,
    unhoistableHeaders: signed,
  })
}

async function put(url: string, headers: Record<string, string>, body: string): Promise<string> {
  const response = await fetch(url, { method: 'PUT', headers, body })
  const code = /<Code>(\w+)<\/Code>/.exec(await response.text())?.[1]
  return code === undefined ? String(response.status) : `${response.status} ${code}`
}

t.test('a presigned PUT with the signed headers stores the bytes', async t => {
  const key = newKey()

  const status = await put(await presignPut(key), upload, bytes)

  const stored = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }))
  t.equal(status, '200')
  t.equal(await stored.Body?.transformToString(), bytes)
  t.equal(stored.ContentType, 'image/png')
})

t.test('a presigned PUT is refused for another type, length or checksum', async t => {
  const url = await presignPut(newKey())
  const other = { ...upload, 'x-amz-checksum-sha256': sha256Base64('other') }

  t.equal(await put(url, { ...upload, 'content-type': 'text/html' }, bytes), refused)
  t.equal(await put(url, upload, `${bytes}!`), refused)
  t.equal(await put(url, other, bytes), refused)
  t.equal(await put(url, { 'content-type': 'image/png' }, bytes), refused)
})

t.test('bytes that do not have the signed checksum are refused and not stored', async t => {
  const key = newKey()

  const status = await put(await presignPut(key), upload, 'TWELVE bytes')

  t.equal(status, '400 BadDigest')
  const head = client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }))
  t.equal(await statusOf(head), '404 NotFound')
})

t.test('a header of S3 that the signature does not cover is refused', async t => {
  const url = await presignPut(newKey())

  const status = await put(url, { ...upload, 'x-amz-copy-source': `/${bucket}/other` }, bytes)

  t.equal(status, '403 AccessDenied')
})

t.test('a presigned PUT works for its own key and method only', async t => {
  const url = await presignPut(newKey())

  t.equal(
    await put(url.replace('conformance/conformance/', 'conformance/x'), upload, bytes),
    refused,
  )
  t.equal((await fetch(url)).status, 403)
})

t.test('a checksum in the query of a presigned URL is signed, and not checked', async t => {
  const key = newKey()
  const command = new PutObjectCommand({ Bucket: bucket, Key: key, ChecksumSHA256: 'bm9wZQ==' })
  const url = await getSignedUrl(client, command)

  t.match(url, 'x-amz-checksum-sha256=bm9wZQ')
  t.equal(await put(url, {}, bytes), '200', 'as Amazon S3 answers (aws/aws-sdk#480)')
})

t.test('requests without a signature are refused', async t => {
  const key = newKey()
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes }))
  const url = `${endpoint}/${bucket}/${encodeURI(key)}`

  t.equal((await fetch(url)).status, 403)
  t.equal((await fetch(url, { method: 'PUT', body: 'x' })).status, 403)
  t.equal((await fetch(url, { method: 'DELETE' })).status, 403)
  t.equal((await fetch(`${endpoint}/${bucket}?list-type=2`)).status, 403)
})

t.test('a presigned GET ends when its time is over', async t => {
  const key = newKey()
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes }))
  const command = new GetObjectCommand({ Bucket: bucket, Key: key })
  const signingDate = new Date(Date.now() - 120_000)

  const open = await fetch(await getSignedUrl(client, command, { expiresIn: 300, signingDate }))
  const over = await fetch(await getSignedUrl(client, command, { expiresIn: 60, signingDate }))

  t.equal(await open.text(), bytes)
  t.equal(over.status, 403)
  t.match(await over.text(), 'Request has expired')
})

t.test('a browser on a loopback origin may PUT, one elsewhere may not', async t => {
  const url = await presignPut(newKey())
  const preflight = (origin: string) =>
    fetch(url, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'PUT',
        'access-control-request-headers': 'content-type,x-amz-checksum-sha256',
      },
    })

  const allowed = await preflight('http://localhost:5173')
  const foreign = await preflight('https://evil.example')

  t.equal(allowed.headers.get('access-control-allow-origin'), 'http://localhost:5173')
  t.match(allowed.headers.get('access-control-allow-headers'), 'x-amz-checksum-sha256')
  t.equal(foreign.status, 403)
  t.equal(foreign.headers.get('access-control-allow-origin'), null)
})

const refused = '403 SignatureDoesNotMatch'
