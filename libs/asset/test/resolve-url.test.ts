import t from 'tap'
import { newId } from '@funmagic/contract/ids'
import type { Asset } from '../src/asset.ts'
import { createAssetLinks, type LinkSettings, type Viewer } from '../src/resolve-url.ts'
import { openMemoryObjectStore } from '../src/testing.ts'
import { makeEcdsaKey, makeRsaKey } from './signing-keys.ts'

const [userId, otherUserId, taskId] = [newId(), newId(), newId()]
const owner: Viewer = { id: userId, role: 'user' }
const settings: LinkSettings = {
  cdnUrl: 'https://cdn.example.test',
  privateCdnUrl: 'https://private-cdn.example.test',
  keyPairId: 'K1',
  windowSeconds: 300,
  privateKey: makeRsaKey().privateKey,
}
const noon = Date.parse('2026-11-21T12:00:00Z')

function makeAsset(facts: Partial<Asset> = {}): Asset {
  return {
    id: newId(),
    userId,
    module: 'gallery',
    bucket: 'private',
    storageKey: `private/${userId}/gallery/${'a'.repeat(26)}.png`,
    visibility: 'private',
    purpose: 'user',
    filename: 'cat.png',
    tags: ['cats'],
    mimeType: 'image/png',
    sizeBytes: 10,
    sha256: '0'.repeat(64),
    width: 1,
    height: 1,
    derivatives: [],
    thumbhash: null,
    taskId,
    taskOutput: 0,
    version: 1,
    createdAt: new Date(noon),
    publishedAt: null,
    ...facts,
  }
}

const published = makeAsset({
  bucket: 'public',
  visibility: 'public',
  storageKey: `public/shared/${userId}/x/y.png`,
  publishedAt: new Date(noon),
})

t.test('a public asset has a plain address for everybody', async t => {
  const links = createAssetLinks(settings)

  t.same(await links.resolveUrl(published, undefined), {
    url: `https://cdn.example.test/${published.storageKey}`,
    expiresAt: null,
  })
})

t.test('a private asset has an address for its owner only, for at most 15 minutes', async t => {
  const asset = makeAsset()
  const links = createAssetLinks(settings, () => noon + 299_999)

  const { url, expiresAt } = await links.resolveUrl(asset, owner)

  const { origin, pathname, searchParams } = new URL(url)
  t.equal(`${origin}${pathname}`, `https://private-cdn.example.test/${asset.storageKey}`)
  t.same([...searchParams.keys()].toSorted(), ['Expires', 'Key-Pair-Id', 'Signature'])
  t.equal(searchParams.get('Expires'), String((noon + 900_000) / 1000))
  t.same(expiresAt, new Date(noon + 900_000), '10 minutes at the end of the window')
  for (const viewer of [undefined, { id: otherUserId, role: 'super_admin' } as const]) {
    await t.rejects(links.resolveUrl(asset, viewer), { code: 'NOT_FOUND' })
  }
})

t.test('within its window an address is the same to the byte, whatever the key', async t => {
  for (const { privateKey } of [makeRsaKey(), makeEcdsaKey()]) {
    let now = noon
    const links = createAssetLinks({ ...settings, privateKey }, () => now)
    const asset = makeAsset()
    const first = await links.resolveUrl(asset, owner)
    now = noon + 299_000
    const same = await links.resolveUrl(asset, owner)
    now = noon + 300_000
    const next = await links.resolveUrl(asset, owner)

    t.same(same, first)
    t.not(next.url, first.url)
    t.same(next.expiresAt, new Date(noon + 1_200_000))
  }
})

t.test('without a window each address lives exactly 15 minutes', async t => {
  let now = noon
  const links = createAssetLinks({ ...settings, windowSeconds: 0 }, () => now)
  const asset = makeAsset()

  for (const seconds of [0, 1, 299]) {
    now = noon + seconds * 1000
    const { expiresAt } = await links.resolveUrl(asset, owner)
    t.same(expiresAt, new Date(now + 900_000))
  }
})

t.test('the end of an address does not depend on the time zone of the process', async t => {
  const zone = process.env['TZ']
  t.teardown(() => {
    if (zone === undefined) delete process.env['TZ']
    else process.env['TZ'] = zone
  })
  process.env['TZ'] = 'America/New_York'
  const links = createAssetLinks(settings, () => noon)

  const { url } = await links.resolveUrl(makeAsset(), owner)

  t.equal(new URL(url).searchParams.get('Expires'), String((noon + 900_000) / 1000))
})

t.test('while the bytes are on their way the address is where they are', async t => {
  const links = createAssetLinks(settings)
  const publishing = makeAsset({ visibility: 'public', publishedAt: new Date() })
  const unpublishing = { ...published, visibility: 'private' as const, publishedAt: null }

  const anybody = await links.resolveUrl(publishing, undefined)
  const own = await links.resolveUrl(unpublishing, owner)

  t.ok(anybody.url.startsWith('https://private-cdn.example.test/private/'))
  t.ok(anybody.expiresAt)
  t.equal(own.url, `https://cdn.example.test/${published.storageKey}`)
  await t.rejects(links.resolveUrl(unpublishing, undefined), { code: 'NOT_FOUND' })
})

t.test('an admin asset goes past the CDN, to admins, for five minutes', async t => {
  const store = openMemoryObjectStore()
  const asset = makeAsset({
    bucket: 'admin',
    visibility: 'admin-private',
    storageKey: 'internal/admin/banner/x.png',
  })
  const place = { bucket: 'admin', key: asset.storageKey } as const
  const headers = { mimeType: 'image/png', cacheControl: '', contentDisposition: '' }
  await store.create(place, Buffer.from('banner'), headers)
  const links = createAssetLinks({ ...settings, store }, () => noon)

  const { url, expiresAt } = await links.resolveUrl(asset, { id: otherUserId, role: 'admin' })

  t.same(await store.fetch(url), Buffer.from('banner'))
  t.same(expiresAt, new Date(noon + 300_000))
  await t.rejects(links.resolveUrl(asset, owner), { code: 'NOT_FOUND' }, 'not even its owner')
  const without = createAssetLinks(settings)
  const admin = { id: otherUserId, role: 'admin' } as const
  await t.rejects(without.resolveUrl(asset, admin), { code: 'NOT_FOUND' })
})

t.test(
  'a view says all that its viewer may know, and whose task it was only to the owner',
  async t => {
    const links = createAssetLinks(settings, () => noon)

    const [own] = await links.toAssetViews([published], owner)
    const theirs = await links.toAssetView(published, { id: otherUserId, role: 'user' })

    t.same(own, {
      id: published.id,
      module: 'gallery',
      visibility: 'public',
      mimeType: 'image/png',
      sizeBytes: 10,
      width: 1,
      height: 1,
      sha256: '0'.repeat(64),
      url: `https://cdn.example.test/${published.storageKey}`,
      urlExpiresAt: null,
      thumbnailUrl: null,
      cardUrl: null,
      thumbhash: null,
      filename: 'cat.png',
      tags: ['cats'],
      taskId,
      createdAt: '2026-11-21T12:00:00.000Z',
      publishedAt: '2026-11-21T12:00:00.000Z',
    })
    t.same(theirs, { ...own, filename: null, tags: [], taskId: null })
    const anybody = JSON.stringify(await links.toAssetView(published, undefined))
    t.notMatch(anybody, /cat/, 'the name on the owner’s disk is nobody’s business')
  },
)

t.test('smaller pictures have the address that their asset has, beside it', async t => {
  const links = createAssetLinks(settings, () => noon)
  const facts = {
    derivatives: ['thumb', 'card'],
    thumbhash: '3OcRJYB4d3h/iIeHeEh3eIhw+j3A',
  } as const

  const own = await links.toAssetView(makeAsset(facts), owner)
  const shared = await links.toAssetView({ ...published, ...facts }, undefined)
  const half = await links.toAssetView(makeAsset({ derivatives: ['card'] }), owner)

  const beside = (url: string, preset: string) => url.replace(/\.png.*$/, `.${preset}.webp`)
  for (const [view, preset, url] of [
    [own, 'thumb', own.thumbnailUrl],
    [own, 'card', own.cardUrl],
  ] as const) {
    t.ok(url?.startsWith(`${beside(view.url, preset)}?Expires=`), `${preset} is signed`)
  }
  t.equal(shared.thumbnailUrl, beside(shared.url, 'thumb'))
  t.equal(shared.cardUrl, beside(shared.url, 'card'))
  t.equal(own.thumbhash, facts.thumbhash)
  t.equal(half.thumbnailUrl, null)
})

t.test('a long list of views lets other work go on', async t => {
  const links = createAssetLinks(settings)
  const assets = Array.from({ length: 64 }, (_, index) =>
    makeAsset({ storageKey: `private/${index}` }),
  )
  let turns = 0
  const count = () => {
    turns++
    immediate = setImmediate(count)
  }
  let immediate = setImmediate(count)

  const views = await links.toAssetViews(assets, owner)
  clearImmediate(immediate)

  t.equal(views.length, 64)
  t.ok(turns >= 3)
})

t.test('only addresses on our own hosts have a key', async t => {
  const links = createAssetLinks(settings)
  const asset = makeAsset()
  const { url } = await links.resolveUrl(asset, owner)
  const foreign = [
    `https://cdn.example.test.evil.test/${published.storageKey}`,
    `http://cdn.example.test/${published.storageKey}`,
    `https://cdn.example.test:8443/${published.storageKey}`,
    `https://me@cdn.example.test/${published.storageKey}`,
    'http://169.254.169.254/latest/meta-data',
    'file:///etc/passwd',
    'data:image/png;base64,AA==',
    'not an address',
    '',
  ]

  t.equal(links.findKey(url), asset.storageKey)
  t.equal(links.findKey(`https://cdn.example.test/${published.storageKey}`), published.storageKey)
  for (const address of foreign) t.equal(links.findKey(address), undefined, address)
})

t.test('a key from a .env file, with its line ends written out, is the same key', async t => {
  const asset = makeAsset()
  const written = settings.privateKey.replaceAll('\n', '\\n')

  const links = createAssetLinks({ ...settings, privateKey: written }, () => noon)

  const expected = await createAssetLinks(settings, () => noon).resolveUrl(asset, owner)
  t.same(await links.resolveUrl(asset, owner), expected)
})

t.test('settings that cannot make good addresses are refused at once', async t => {
  const cases = {
    'a CDN with a path': { cdnUrl: 'https://cdn.example.test/files' },
    'a CDN that is no address': { privateCdnUrl: 'private-cdn' },
    'a key that is none': { privateKey: 'secret' },
    'a window as long as a life': { windowSeconds: 900 },
  }

  for (const [name, wrong] of Object.entries(cases)) {
    t.throws(() => createAssetLinks({ ...settings, ...wrong }), name)
  }
})
