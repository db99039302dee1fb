import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { startCloudFront } from '@funmagic/simulators/cloudfront'
import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import type { Asset } from '../src/asset.ts'
import { openCdnInvalidation } from '../src/cdn-invalidation.ts'
import { findAsset } from '../src/catalog.ts'
import { headersFor } from '../src/object-keys.ts'
import { deleteAsset, publishAsset, unpublishAsset } from '../src/publishing.ts'
import { createAssetLinks, type Viewer } from '../src/resolve-url.ts'
import { continueRevocations, type Refused } from '../src/revocations.ts'
import { Slots } from '../src/slots.ts'
import { makeFragile, paint } from '../src/testing.ts'
import { completeUpload } from '../src/upload-completion.ts'
import { beginUpload } from '../src/uploads.ts'
import { openFixture, patient, sha256 } from './asset-fixture.ts'
import { passHour, sweep } from './moving-fixture.ts'
import { openTestStore, s3Settings, sendUpload } from './s3.ts'
import { makeEcdsaKey, makeRsaKey } from './signing-keys.ts'

// The whole way of an asset over real protocols: S3, and CloudFront as the simulator speaks it.

async function setup(t: Test, key = makeRsaKey(), invalidationDelayMs = 0) {
  const fixture = await openFixture()
  const { endpoint = '', buckets, accessKey = '', secretKey = '' } = s3Settings()
  const origin = { endpoint, accessKeyId: accessKey, secretAccessKey: secretKey }
  const publicCdn = await startCloudFront({
    distributionId: 'E1PUBLIC',
    prefix: 'public/',
    origin: { ...origin, bucket: buckets.public },
    errorTtlSeconds: 0,
    invalidationDelayMs,
  })
  const privateCdn = await startCloudFront({
    distributionId: 'E1PRIVATE',
    prefix: 'private/',
    origin: { ...origin, bucket: buckets.private },
    trustedKeys: [{ id: 'K1', publicKeyPem: key.publicKeyPem }],
  })
  const distributionId = 'E1PUBLIC'
  const addressOf = (key: string) => `${publicCdn.url}/${key}`
  const access = { endpoint: publicCdn.url, accessKey, secretKey }
  const cdn = openCdnInvalidation({ distributionId, addressOf, ...access })
  t.teardown(async () => {
    cdn.close()
    await publicCdn[Symbol.asyncDispose]()
    await privateCdn[Symbol.asyncDispose]()
  })
  const links = createAssetLinks({
    cdnUrl: publicCdn.url,
    privateCdnUrl: privateCdn.url,
    keyPairId: 'K1',
    privateKey: key.privateKey,
    windowSeconds: 300,
  })
  const store = makeFragile(openTestStore(t))
  const quota = { bytesPerUser: 1_000_000, openTicketsMax: 5 }
  const checks = new Slots({ runningMax: 1, waitingMax: 1 })
  const deps = { database: fixture.database, store, cdn, quota, checks }
  const viewer: Viewer = { id: fixture.userId, role: 'user' }
  return { ...fixture, store, links, deps, viewer, privateCdnUrl: privateCdn.url }
}

async function upload({ deps, userId }: Awaited<ReturnType<typeof setup>>): Promise<Asset> {
  const picture = await paint('image/png')
  const ticket = await beginUpload(deps, {
    userId,
    idempotency: undefined,
    body: {
      filename: 'cat.png',
      mimeType: 'image/png',
      sizeBytes: picture.length,
      module: 'gallery',
      sha256: sha256(picture),
    },
  })
  const status = await sendUpload(ticket.upload, picture)
  if (status !== 200) throw new Error(`the store answered ${status} to the upload`)
  return (await completeUpload(deps, { userId, uploadId: ticket.uploadId })).asset
}

async function get(url: string): Promise<{ status: number; sha256: string; headers: Headers }> {
  const reply = await fetch(url)
  const bytes = new Uint8Array(await reply.arrayBuffer())
  return { status: reply.status, sha256: sha256(bytes), headers: reply.headers }
}

t.test(
  'an upload can be seen by its owner, then by everybody, then by its owner again',
  async t => {
    const context = await setup(t)
    const { deps, links, viewer, userId } = context
    const asset = await upload(context)
    const own = { userId, assetId: asset.id }
    const addressOf = async (row: Asset, who: Viewer) => (await links.resolveUrl(row, who)).url

    const before = await get(await addressOf(asset, viewer))
    const { asset: published } = await publishAsset(deps, own, patient)
    const publicUrl = await addressOf(published, undefined)
    const during = await get(publicUrl)
    await get(publicUrl)
    const { asset: unpublished } = await unpublishAsset(deps, own, patient)

    t.match(before, { status: 200, sha256: asset.sha256 })
    t.match(during, { status: 200, sha256: asset.sha256 })
    t.equal(during.headers.get('cache-control'), 'public, max-age=300, s-maxage=31536000')
    t.equal(during.headers.get('content-type'), 'image/png')
    t.equal(during.headers.get('content-disposition'), 'inline')
    t.equal((await get(publicUrl)).status, 403, 'from the edge too')
    t.match(await get(await addressOf(unpublished, viewer)), { status: 200, sha256: asset.sha256 })
  },
)

t.test('an address works at every point where a change of visibility can die', async t => {
  const context = await setup(t)
  const { deps, links, viewer, store, database, userId } = context
  const changes = [publishAsset, unpublishAsset, publishAsset]
  const failures = [
    ['copy', 'before'],
    ['copy', 'after'],
    ['remove', 'before'],
  ] as const
  const { id: assetId } = await upload(context)
  const check = async (where: string) => {
    const row = await findAsset(database, { userId, assetId })
    const url = row && (await links.resolveUrl(row, viewer)).url
    t.match(await get(url ?? ''), { status: 200, sha256: row?.sha256 }, where)
  }

  for (const [operation, moment] of failures) {
    for (const [index, change] of changes.entries()) {
      const where = `change ${index}, ${moment} ${operation}`
      store.failNext(operation, moment)
      await Promise.allSettled([change(deps, { userId, assetId }, patient)])
      await check(where)
      await passHour(database)
      await sweep(deps)
      await check(`${where}, swept`)
    }
    await unpublishAsset(deps, { userId, assetId }, patient)
  }
})

t.test('an address that was handed out keeps working while its asset is published', async t => {
  for (const key of [makeRsaKey(), makeEcdsaKey()]) {
    const context = await setup(t, key)
    const { deps, links, viewer, userId } = context
    const asset = await upload(context)
    const { url } = await links.resolveUrl(asset, viewer)

    await publishAsset(deps, { userId, assetId: asset.id }, patient)

    t.match(await get(url), { status: 200, sha256: asset.sha256 })
  }
})

t.test('private bytes are refused to every address that we did not sign', async t => {
  const context = await setup(t)
  const { links, viewer, userId, privateCdnUrl, deps } = context
  const asset = await upload(context)
  const other = await upload(context)
  const signed = new URL((await links.resolveUrl(asset, viewer)).url)
  const change = (work: (url: URL) => void) => {
    const url = new URL(signed)
    work(url)
    return url.href
  }
  const ticket = await beginUpload(deps, {
    userId,
    idempotency: undefined,
    body: { filename: 'x', mimeType: 'image/png', sizeBytes: 1, module: 'gallery' },
  })
  const addresses = {
    unsigned: change(url => (url.search = '')),
    'for another object': change(url => (url.pathname = `/${other.storageKey}`)),
    'with a longer life': change(url => url.searchParams.set('Expires', '4102444800')),
    'by a key that is not trusted': change(url => url.searchParams.set('Key-Pair-Id', 'K2')),
    'with another signature': change(url => url.searchParams.set('Signature', 'AAAA')),
    'to quarantine': `${privateCdnUrl}/quarantine/${ticket.uploadId}${signed.search}`,
  }

  t.equal((await get(signed.href)).status, 200)
  for (const [name, address] of Object.entries(addresses)) {
    const { status, sha256: received } = await get(address)
    t.equal(status, 403, name)
    t.not(received, asset.sha256)
  }
})

t.test('a deleted asset is gone from the edges and from both buckets', async t => {
  const context = await setup(t)
  const { deps, database, userId, store, links } = context
  const asset = await upload(context)
  const published = await upload(context)
  await publishAsset(deps, { userId, assetId: published.id }, patient)
  const row = await findAsset(database, { userId, assetId: published.id })
  const publicUrl = row ? (await links.resolveUrl(row, undefined)).url : ''
  t.equal((await get(publicUrl)).status, 200)

  for (const { id } of [asset, published]) await deleteAsset(deps, { userId, assetId: id }, patient)
  t.equal((await get(publicUrl)).status, 403)
  await passHour(database)
  await sweep(deps)

  const { rows } = await database.query<{ bucket: 'private' | 'public'; key: string }>(sql`
    SELECT from_bucket AS bucket, from_key AS key FROM asset_moves m
    JOIN assets a ON a.id = m.asset_id WHERE a.user_id = ${userId}
  `)
  t.equal(rows.length, 3)
  for (const place of rows) t.equal(await store.find(place), undefined, place.key)
})

t.test('the measured time of a revocation is that of the edges, and not much more', async t => {
  const delayMs = 3_000
  const context = await setup(t, makeEcdsaKey(), delayMs)
  const { deps, userId, links } = context
  const { id: assetId } = await upload(context)
  const { asset } = await publishAsset(deps, { userId, assetId }, patient)
  const { url } = await links.resolveUrl(asset, undefined)
  await get(url)
  await unpublishAsset(deps, { userId, assetId }, patient)

  t.equal((await get(url)).status, 200, 'the edge has accepted it, and takes its time')
  const refused: Refused[] = []
  const deadline = AbortSignal.timeout(25_000)
  while (refused.length === 0 && !deadline.aborted) {
    refused.push(...(await continueRevocations(deps, patient)).refused)
    await pause(100)
  }

  t.equal((await get(url)).status, 403)
  const seconds = refused[0]?.seconds ?? 0
  t.ok(seconds >= delayMs / 1000, `${seconds} s`)
  t.comment(`${(seconds * 1000) / delayMs} times the delay of the edge`)
})

t.test('an edge that cannot be told or asked is a failure that may pass', async t => {
  const settings = { distributionId: 'E1', accessKey: 'a', secretKey: 'b' }
  const away = 'http://127.0.0.1:1'
  const addressOf = (key: string) => `${away}/${key}`
  const cdn = openCdnInvalidation({ ...settings, addressOf, endpoint: away })
  t.teardown(() => cdn.close())
  const request = { paths: ['/public/x'], reference: newId() }

  await t.rejects(cdn.invalidate(request), { code: 'UNAVAILABLE' })
  await t.rejects(cdn.probe('public/x'), { code: 'UNAVAILABLE' })
})

t.test(
  'a versioned file of the platform is kept for a year, and never asked for again',
  async t => {
    const { store, links } = await setup(t)
    const place = { bucket: 'public', key: `public/ops/banners/${newId()}.png` } as const
    const bytes = await paint('image/png')
    await store.create(place, bytes, headersFor(place, 'image/png'))

    const replies = [
      await get(links.publicUrlOf(place.key)),
      await get(links.publicUrlOf(place.key)),
    ]

    for (const { status, sha256: digest, headers } of replies) {
      t.same([status, digest], [200, sha256(bytes)])
      t.equal(headers.get('cache-control'), 'public, max-age=31536000, immutable')
    }
    t.match(replies[1]?.headers.get('x-cache'), /^Hit/)
  },
)
