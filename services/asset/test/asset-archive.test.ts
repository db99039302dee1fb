import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { newId } from '@funmagic/contract/ids'
import type { Asset } from '@funmagic/asset/asset'
import { StoreFailure } from '@funmagic/asset/object-store'
import t from 'tap'
import { archiveAssets } from '../src/asset-archive.ts'
import { addUser, call, openAssetApp, upload } from './asset-app.ts'
import { readZip } from './zip-reader.ts'

const patient = new AbortController().signal
const noMore = async () => undefined

function makeAsset(filename: string | null, bytes: Uint8Array, extension = 'png'): Asset {
  const [id, userId] = [newId(), newId()]
  return {
    id,
    userId,
    module: 'gallery',
    bucket: 'private',
    storageKey: `private/${userId}/gallery/${id}.${extension}`,
    visibility: 'private',
    purpose: 'user',
    filename,
    tags: [],
    mimeType: 'image/png',
    sizeBytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    width: 1,
    height: 1,
    derivatives: [],
    thumbhash: null,
    taskId: null,
    taskOutput: null,
    version: 1,
    createdAt: new Date('2026-11-21T12:00:00Z'),
    publishedAt: null,
  }
}

function unpack(archive: Buffer) {
  const files = readZip(archive)
  const manifest = files.get('manifest.json') ?? Buffer.from('{}')
  return { names: [...files.keys()], items: JSON.parse(manifest.toString()).items }
}

t.test('an archive has every file under its own name, and says what is wrong', async t => {
  const bytes = Buffer.from('bytes of a picture')
  const names = ['cat.png', 'CAT.jpg', '../../etc/passwd', 'con', null, '-rf', 'ünï 🐈.png', 'gone']
  const assets = [...names, 'changed'].map(name => makeAsset(name, bytes))
  const store = {
    open: async ({ key }: { key: string }) => {
      const asset = assets.find(({ storageKey }) => storageKey === key)
      if (asset?.filename === 'gone') return undefined
      return (async function* () {
        yield asset?.filename === 'changed' ? Buffer.from('others') : bytes
      })()
    },
  }

  const archive = archiveAssets({ store, find: noMore }, assets, patient)
  const { names: files, items } = unpack(Buffer.concat(await archive.toArray()))

  t.same(files.slice(0, 4), ['cat.png', 'CAT (2).png', '_.._etc_passwd.png', '_con.png'])
  t.match(files[4], /^gallery-[0-9a-f]{8}\.png$/)
  t.same(files.slice(5), ['rf.png', 'ünï 🐈.png', 'changed.png', 'manifest.json'])
  const statuses = items.map(({ status }: { status: string }) => status)
  t.same(statuses, [...Array(7).fill('included'), 'missing', 'corrupt'])
  t.match(items[0], { file: 'cat.png', id: assets[0]?.id, sha256: assets[0]?.sha256 })
})

t.test('an asset that is unpublished while the archive is made is found where it lies', async t => {
  const bytes = Buffer.from('bytes of a picture')
  const asset = makeAsset('cat.png', bytes)
  const moved = { ...asset, storageKey: `${asset.storageKey}.moved` }
  const open = async ({ key }: { key: string }) =>
    key === moved.storageKey ? Readable.from([bytes]) : undefined

  const archive = archiveAssets({ store: { open }, find: async () => moved }, [asset], patient)
  const { items } = unpack(Buffer.concat(await archive.toArray()))

  t.match(items, [{ id: asset.id, status: 'included' }])
})

t.test('an archive reads no further than its reader, and one object at a time', async t => {
  const chunk = Buffer.alloc(64 * 1024, 1)
  let [opened, read] = [0, 0]
  const store = {
    open: async () => {
      opened++
      return (async function* () {
        for (let index = 0; index < 100; index++) {
          read += chunk.length
          yield chunk
        }
      })()
    },
  }
  const assets = Array.from({ length: 50 }, () => makeAsset(null, chunk))

  const archive = archiveAssets({ store, find: noMore }, assets, patient)
  await once(archive, 'readable')
  for (let turn = 0; turn < 50; turn++) await nextTurn()
  archive.destroy()

  t.equal(opened, 1)
  t.ok(read <= 8 * chunk.length, `${read} bytes were read ahead`)
})

t.test('an archive breaks off when the store fails or time is up', async t => {
  const broken = async () =>
    (async function* () {
      yield Buffer.from('some')
      throw new StoreFailure(new Error('no more'))
    })()
  const assets = [makeAsset('a.png', Buffer.from('some bytes'))]
  const calledOff = AbortSignal.abort()

  await t.rejects(
    archiveAssets({ store: { open: broken }, find: noMore }, assets, patient).toArray(),
  )
  await t.rejects(
    archiveAssets({ store: { open: broken }, find: noMore }, assets, calledOff).toArray(),
  )
})

t.test('own assets come as an archive, and nobody else’s', async t => {
  const assetApp = await openAssetApp(t)
  const [user, other] = [await addUser(assetApp), await addUser(assetApp)]
  const [a, b] = [await upload(assetApp, user), await upload(assetApp, user)]
  const foreign = await upload(assetApp, other)
  const download = (...ids: string[]) =>
    call(assetApp, user, `/api/assets/download?ids=${ids.join(',')}`)

  const response = await download(a.id, b.id)

  t.equal(response.statusCode, 200)
  t.match(response.headers, {
    'content-type': 'application/zip',
    'content-disposition': /^attachment; filename="funmagic-\d{4}-\d\d-\d\d\.zip"$/,
    'cache-control': 'private, no-store',
  })
  const { items } = unpack(response.rawPayload)
  t.match(items, [
    { id: a.id, sha256: a.sha256, status: 'included' },
    { id: b.id, sha256: b.sha256, status: 'included' },
  ])
  t.equal((await download(a.id, foreign.id)).statusCode, 404)
  t.equal((await download(newId())).statusCode, 404)
})

t.test('more archives at once than there is room for are told to come again', async t => {
  const assetApp = await openAssetApp(t)
  const user = await addUser(assetApp)
  const asset = await upload(assetApp, user)
  const waiting = Promise.withResolvers<void>()
  const { open } = assetApp.store
  assetApp.store.open = async (place, signal) => {
    await waiting.promise
    return open(place, signal)
  }
  const url = `/api/assets/download?ids=${asset.id}`

  const requests = [1, 2, 3].map(() => call(assetApp, user, url))
  const first = await Promise.race(requests)
  waiting.resolve()
  const statuses = (await Promise.all(requests)).map(({ statusCode }) => statusCode)

  t.equal(first.statusCode, 503)
  t.equal(first.json().error.code, 'OVERLOADED')
  t.same(
    statuses.toSorted((one, other) => one - other),
    [200, 200, 503],
  )
})
