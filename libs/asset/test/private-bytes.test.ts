import { request as httpRequest } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { getSignedUrl } from '@aws-sdk/cloudfront-signer'
import t, { type Test } from 'tap'
import { startCloudFront } from '@funmagic/simulators/cloudfront'
import { newId } from '@funmagic/contract/ids'
import type { Place } from '../src/asset.ts'
import { derivativeKey, headersFor } from '../src/object-keys.ts'
import { openTestStore, s3Settings } from './s3.ts'
import { makeEcdsaKey, makeRsaKey } from './signing-keys.ts'

// Every object that is not public, by every way that somebody without a live signature may try
// (reliability S2): always 403 or 404 (400 for what is no request), and never a byte of it.

const canary = `CANARY-${newId()}`
const [live, retired, foreign] = [makeRsaKey(), makeEcdsaKey(), makeRsaKey()]
const inAnHour = new Date(Date.now() + 3_600_000).toISOString()
const anHourAgo = new Date(Date.now() - 3_600_000).toISOString()

interface Target {
  readonly publicCdn: string
  readonly privateCdn: string
  readonly s3: string
  readonly bucket: string
  readonly key: string
}
interface Probe {
  readonly url: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
}

async function setup(t: Test) {
  const { endpoint = '', buckets, accessKey = '', secretKey = '' } = s3Settings()
  const origin = { endpoint, accessKeyId: accessKey, secretAccessKey: secretKey }
  const aliases = ['cdn.test', 'private-cdn.test']
  const publicCdn = await startCloudFront({
    distributionId: 'E1PUBLIC',
    prefix: 'public/',
    origin: { ...origin, bucket: buckets.public },
    aliases: aliases.slice(0, 1),
  })
  const privateCdn = await startCloudFront({
    distributionId: 'E1PRIVATE',
    prefix: 'private/',
    origin: { ...origin, bucket: buckets.private },
    trustedKeys: [{ id: 'KLIVE', publicKeyPem: live.publicKeyPem }],
    aliases: aliases.slice(1),
  })
  t.teardown(async () => {
    await publicCdn[Symbol.asyncDispose]()
    await privateCdn[Symbol.asyncDispose]()
  })
  const store = openTestStore(t)
  const userId = newId()
  const picture = `private/${userId}/gallery/0123456789abcdefghijklmnop.png`
  const places: Place[] = [
    { bucket: 'private', key: picture },
    { bucket: 'private', key: derivativeKey(picture, 'thumb') },
    { bucket: 'private', key: `quarantine/${newId()}` },
    { bucket: 'admin', key: `internal/admin/audit/${newId()}.png` },
  ]
  for (const place of places) {
    const headers = headersFor(place, 'image/png')
    await store.create(place, Buffer.from(`${canary} ${place.key}`), headers)
  }
  const hosts = { publicCdn: publicCdn.url, privateCdn: privateCdn.url, s3: endpoint }
  const targets = places.map(({ bucket, key }): Target => {
    return { ...hosts, bucket: buckets[bucket], key }
  })
  return { targets, picture, privateCdn: privateCdn.url }
}

function sign(url: string, how: { key?: typeof live; id?: string; until?: string } = {}): string {
  const { key = live, id = 'KLIVE', until = inAnHour } = how
  return getSignedUrl({
    url,
    keyPairId: id,
    privateKey: key.privateKey,
    dateLessThan: until,
  })
}

function probesOf(target: Target): Record<string, Probe> {
  return { ...signatureProbes(target), ...pathProbes(target), ...storeProbes(target) }
}

function signatureProbes({ privateCdn, key }: Target): Record<string, Probe> {
  const url = `${privateCdn}/${key}`
  const signed = sign(url)
  const other = sign(`${privateCdn}/private/somebody/else.png`)
  const policy = (resource: string) =>
    getSignedUrl({
      url,
      keyPairId: 'KLIVE',
      privateKey: live.privateKey,
      policy: JSON.stringify({
        Statement: [
          { Resource: resource, Condition: { DateLessThan: { 'AWS:EpochTime': 4_102_444_800 } } },
        ],
      }),
    })
  return {
    'no query': { url },
    HEAD: { url, method: 'HEAD' },
    OPTIONS: { url, method: 'OPTIONS' },
    POST: { url, method: 'POST' },
    range: { url, headers: { range: 'bytes=0-9' } },
    'if-none-match': { url, headers: { 'if-none-match': '"x"' } },
    expired: { url: sign(url, { until: anHourAgo }) },
    'an expiry made later': { url: signed.replace(/Expires=\d+/, 'Expires=4102444800') },
    'another key under our id': { url: sign(url, { key: foreign }) },
    'a retired key': { url: sign(url, { key: retired, id: 'KRETIRED' }) },
    'a flipped bit': {
      url: signed.replace(/Signature=(.)/, (_, c) => `Signature=${c === 'A' ? 'B' : 'A'}`),
    },
    'a signature for another object': { url: other.replace('private/somebody/else.png', key) },
    'a policy for another folder': { url: policy(`${privateCdn}/private/somebody/*`) },
    'a policy for another host': { url: policy(`https://cdn.test/${key}`) },
    'a parameter that was not signed': { url: `${signed}&response-content-type=text/html` },
    'response-content-disposition': { url: `${url}?response-content-disposition=attachment` },
    versionId: { url: `${url}?versionId=null` },
    acl: { url: `${url}?acl` },
    'an AWS signature without credentials': {
      url: `${url}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=x&X-Amz-Signature=x`,
    },
    'a forged cookie': {
      url,
      headers: {
        cookie: 'CloudFront-Policy=x; CloudFront-Signature=x; CloudFront-Key-Pair-Id=KLIVE',
      },
    },
  }
}

const host = (name: string) => ({ headers: { host: name } })

function pathProbes({ publicCdn, privateCdn, bucket, key }: Target): Record<string, Probe> {
  const url = `${privateCdn}/${key}`
  const encoded = key.replaceAll('/', '%2f')
  const dotted = key.replace('/', '/./')
  const tail = key.split('/').slice(1).join('/')
  return {
    'two slashes': { url: `${privateCdn}//${key}` },
    'upper case': { url: `${privateCdn}/${key.toUpperCase()}` },
    'a dot in the path': { url: `${privateCdn}/${dotted}` },
    'out of another folder': { url: `${privateCdn}/private/x/../../${key}` },
    'encoded dots': { url: `${privateCdn}/private/%2e%2e/${key}` },
    'doubly encoded dots': { url: `${privateCdn}/private/%252e%252e/${key}` },
    'encoded slashes': { url: `${privateCdn}/${encoded}` },
    'the public CDN': { url: `${publicCdn}/${key}` },
    'the public CDN, signed for the private one': {
      url: sign(url).replace(privateCdn, publicCdn),
    },
    'out of the public folder': { url: `${publicCdn}/public/../${key}` },
    'encoded, out of the public folder': { url: `${publicCdn}/public/%2e%2e/${encoded}` },
    'under the public prefix': { url: `${publicCdn}/public/${tail}` },
    'the private host at the public CDN': {
      url: `${publicCdn}/${key}`,
      ...host('private-cdn.test'),
    },
    'the public host at the private CDN': { url, ...host('cdn.test') },
    'the bucket as host': { url, ...host(`${bucket}.s3.amazonaws.com`) },
  }
}

function storeProbes({ privateCdn, s3, bucket, key }: Target): Record<string, Probe> {
  const signed = sign(`${privateCdn}/${key}`)
  return {
    'S3 by path': { url: `${s3}/${bucket}/${key}` },
    'S3 by host': { url: `${s3}/${key}`, ...host(`${bucket}.127.0.0.1`) },
    'S3, a version': { url: `${s3}/${bucket}/${key}?versionId=null` },
    'S3, its ACL': { url: `${s3}/${bucket}/${key}?acl` },
    'S3, by a signature of CloudFront': { url: signed.replace(privateCdn, `${s3}/${bucket}`) },
    'S3, with headers of choice': { url: `${s3}/${bucket}/${key}?response-content-type=text/html` },
    'S3, out of the public bucket': {
      url: `${s3}/${s3Settings().buckets.public}/../${bucket}/${key}`,
    },
    'S3, the list of the bucket': { url: `${s3}/${bucket}?list-type=2` },
  }
}

/** As it is written: fetch would tidy the path. */
function send({
  url,
  method = 'GET',
  headers = {},
}: Probe): Promise<{ status: number; body: string }> {
  const { hostname, port, origin } = new URL(url)
  const path = url.slice(origin.length)
  return new Promise((resolve, reject) => {
    const request = httpRequest({ hostname, port, path, method, headers }, reply => {
      const { statusCode: status = 0 } = reply
      buffer(reply).then(bytes => resolve({ status, body: bytes.toString('latin1') }), reject)
    })
    request.once('error', reject).end()
  })
}

t.test('no way but a live signature brings a byte of what is not public', async t => {
  const { targets, picture, privateCdn } = await setup(t)
  const granted = await send({ url: sign(`${privateCdn}/${picture}`) })
  t.match(granted, { status: 200, body: new RegExp(canary) }, 'a live signature does')

  for (const target of targets) {
    for (const [name, probe] of Object.entries(probesOf(target))) {
      const { status, body } = await send(probe)
      const isRefused = [400, 403, 404].includes(status) && !body.includes(canary.slice(0, 12))
      t.ok(isRefused, `${target.key.split('/')[0]}, ${name}: ${status}`)
    }
  }
})

t.test('a good signature opens neither quarantine nor the bucket of admins', async t => {
  const { targets, privateCdn } = await setup(t)

  for (const { key } of targets.slice(2)) {
    const { status, body } = await send({ url: sign(`${privateCdn}/${key}`) })
    t.equal(status, 403)
    t.notMatch(body, canary)
  }
})
