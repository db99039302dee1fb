import { randomUUID } from 'node:crypto'
import { DeleteObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import t from 'tap'
import { startCloudFront } from '../src/cloudfront/cloudfront.ts'

const setting = (name: string) => {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} must name the S3 server of the tests`)
  return value
}

t.test(
  'objects of a real S3 server are delivered with the headers they were stored with',
  async t => {
    const bucket = setting('S3_BUCKET_PUBLIC')
    const endpoint = setting('S3_ENDPOINT')
    const accessKeyId = setting('S3_ACCESS_KEY')
    const secretAccessKey = setting('S3_SECRET_KEY')
    const Key = `public/shared/${randomUUID()}/a picture.png`
    const credentials = { accessKeyId, secretAccessKey }
    const s3 = new S3Client({ endpoint, region: 'us-east-2', credentials, forcePathStyle: true })
    t.teardown(async () => {
      await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key }))
      s3.destroy()
    })
    const CacheControl = 'public, max-age=300, s-maxage=31536000'
    const object = { Body: 'pixels', ContentType: 'image/png', CacheControl }
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key, ...object }))
    await using cloudFront = await startCloudFront({
      distributionId: 'E1TEST',
      origin: { endpoint, bucket, accessKeyId, secretAccessKey },
      prefix: 'public/',
    })

    const found = await fetch(`${cloudFront.url}/${Key.replace(' ', '%20')}`)
    const again = await fetch(`${cloudFront.url}/${Key.replace(' ', '%20')}`)
    const missing = await fetch(`${cloudFront.url}/public/shared/none`)

    t.equal(await found.text(), 'pixels')
    t.equal(found.headers.get('content-type'), 'image/png')
    t.equal(found.headers.get('cache-control'), CacheControl)
    t.equal(again.headers.get('x-cache'), 'Hit from cloudfront')
    t.equal(missing.status, 403)
  },
)
