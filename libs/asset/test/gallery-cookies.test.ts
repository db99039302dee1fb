import t, { type Test } from 'tap'
import { newId } from '@funmagic/contract/ids'
import { startCloudFront } from '@funmagic/simulators/cloudfront'
import { headersFor } from '../src/object-keys.ts'
import { createAssetLinks } from '../src/resolve-url.ts'
import { openTestStore, s3Settings } from './s3.ts'
import { makeEcdsaKey, makeRsaKey } from './signing-keys.ts'

const [rsa, ecdsa] = [makeRsaKey(), makeEcdsaKey()]

/** Two users with a picture each, behind the private CDN. */
async function setup(t: Test, { key = rsa, nowMs = Date.now() } = {}) {
  const { endpoint = '', buckets, accessKey = '', secretKey = '' } = s3Settings()
  const origin = { endpoint, accessKeyId: accessKey, secretAccessKey: secretKey }
  const cdn = await startCloudFront({
    distributionId: 'E1PRIVATE',
    prefix: 'private/',
    origin: { ...origin, bucket: buckets.private },
    trustedKeys: [{ id: 'KLIVE', publicKeyPem: key.publicKeyPem }],
  })
  t.teardown(() => cdn[Symbol.asyncDispose]())
  const store = openTestStore(t)
  const links = createAssetLinks(
    {
      cdnUrl: 'https://cdn.test',
      privateCdnUrl: new URL(cdn.url).origin,
      keyPairId: 'KLIVE',
      privateKey: key.privateKey,
      windowSeconds: 300,
    },
    () => nowMs,
  )
  const [own, other] = [newId(), newId()]
  for (const userId of [own, other]) {
    const place = { bucket: 'private', key: `private/${userId}/gallery/cat.png` } as const
    await store.create(place, Buffer.from(`cat of ${userId}`), headersFor(place, 'image/png'))
  }
  const { cookies, folderUrl } = links.signGallery(own)
  const cookie = Object.entries(cookies)
    .map(([name, value]) => `${name}=${value}`)
    .join('; ')
  const get = async (url: string, header = cookie) => {
    const reply = await fetch(url, { headers: header === '' ? {} : { cookie: header } })
    return { status: reply.status, text: await reply.text() }
  }
  return { own, other, folderUrl, cookie, get, base: new URL(cdn.url).origin }
}

for (const [name, key] of Object.entries({ rsa, ecdsa })) {
  t.test(`a gallery cookie (${name}) fetches its user’s files and no other’s (A8, S2)`, async t => {
    const { own, other, folderUrl, cookie, get, base } = await setup(t, { key })
    const elsewhere = [
      `${base}/private/${other}/gallery/cat.png`,
      `${folderUrl}../${other}/gallery/cat.png`,
      `${folderUrl}%2e%2e/${other}/gallery/cat.png`,
      `${folderUrl}..%2f${other}%2fgallery/cat.png`,
      `${base}//private/${other}/gallery/cat.png`,
      `${base}/quarantine/${newId()}`,
    ]

    const mine = await get(`${folderUrl}gallery/cat.png`)
    const without = await get(`${folderUrl}gallery/cat.png`, '')
    const changed = await get(
      `${folderUrl}gallery/cat.png`,
      cookie.replace(/Signature=.{4}/, '$&A'),
    )
    const ended = await get(
      `${folderUrl}gallery/cat.png`,
      'CloudFront-Policy=; CloudFront-Signature=',
    )

    t.same(mine, { status: 200, text: `cat of ${own}` })
    t.same([without.status, changed.status, ended.status], [403, 403, 403])
    for (const url of elsewhere) {
      const reply = await get(url)
      t.ok(reply.status >= 400 && reply.status < 500, `${url}: ${reply.status}`)
      t.notMatch(reply.text, other)
    }
  })
}

t.test('a gallery cookie ends after 15 minutes, also when the browser keeps it', async t => {
  const late = await setup(t, { nowMs: Date.now() - 901_000 })
  const justInTime = await setup(t, { nowMs: Date.now() - 840_000 })

  t.equal((await late.get(`${late.folderUrl}gallery/cat.png`)).status, 403)
  t.equal((await justInTime.get(`${justInTime.folderUrl}gallery/cat.png`)).status, 200)
})
