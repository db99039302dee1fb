import sharp from 'sharp'
import t from 'tap'
import { thumbHashToApproximateAspectRatio, thumbHashToAverageRGBA } from 'thumbhash'
import { uploadMimeTypes } from '@funmagic/contract/asset'
import { sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import { insertAsset } from '../src/asset-rows.ts'
import type { Asset, Place } from '../src/asset.ts'
import { findAsset } from '../src/catalog.ts'
import { makeMissingDerivatives, storeDerivatives } from '../src/derivatives.ts'
import {
  derivativeKey,
  derivativePlaces,
  freshPrivatePlace,
  headersFor,
} from '../src/object-keys.ts'
import { shrinkPicture } from '../src/pictures.ts'
import { openMove } from '../src/moves.ts'
import { Slots } from '../src/slots.ts'
import { makeFragile, openMemoryObjectStore, paint } from '../src/testing.ts'
import { newId, type UserId } from '@funmagic/contract/ids'
import { openFixture, patient, sha256 } from './asset-fixture.ts'

const bytesMax = 1024 * 1024

async function setup() {
  const fixture = await openFixture()
  await fixture.database.query(sql`UPDATE assets SET derivatives_due_at = NULL`)
  const memory = openMemoryObjectStore()
  const store = makeFragile(memory)
  const checks = new Slots({ runningMax: 2, waitingMax: 8 })
  return { ...fixture, memory, store, deps: { database: fixture.database, store, checks } }
}

type Setup = Awaited<ReturnType<typeof setup>>

/** A row from before there were smaller pictures. */
async function addOldAsset({ database, memory }: Setup, userId: UserId): Promise<Asset> {
  const bytes = await paint('image/jpeg', { width: 900, height: 300 })
  return addBytes({ database, memory }, userId, bytes)
}

async function addBytes(
  { database, memory }: Pick<Setup, 'database' | 'memory'>,
  userId: UserId,
  bytes: Uint8Array,
): Promise<Asset> {
  const place = freshPrivatePlace({ userId, module: 'gallery', mimeType: 'image/jpeg' })
  await memory.create(place, bytes, headersFor(place, 'image/jpeg'))
  const facts = {
    id: newId(),
    userId,
    module: 'gallery',
    bucket: place.bucket,
    storageKey: place.key,
    filename: null,
    mimeType: 'image/jpeg',
    sizeBytes: bytes.length,
    sha256: sha256(bytes),
    width: 900,
    height: 300,
    derivatives: [],
    thumbhash: null,
    taskId: null,
    taskOutput: null,
  } as const
  const asset = await inTransaction(database, tx => insertAsset(tx, facts))
  if (asset === undefined) throw new Error('not inserted')
  return asset
}

const due = ({ database }: Setup) =>
  database.query(sql`
    UPDATE assets SET derivatives_due_at = now() WHERE derivatives_due_at IS NOT NULL`)

t.test('each accepted type has WebP thumbs and cards in its shape, and a thumbhash', async t => {
  for (const mimeType of uploadMimeTypes) {
    const bytes = await paint(mimeType, { width: 1200, height: 600 })

    const { pictures, thumbhash } = await shrinkPicture(bytes, mimeType)

    const sizes = new Map<string, object>()
    for (const [preset, picture] of pictures) {
      const { format, width, height, exif } = await sharp(picture).metadata()
      sizes.set(preset, { format, width, height, exif })
    }
    const webp = { format: 'webp', exif: undefined }
    t.same(sizes.get('thumb'), { ...webp, width: 256, height: 128 }, mimeType)
    t.same(sizes.get('card'), { ...webp, width: 640, height: 320 }, mimeType)
    t.equal(Math.round(thumbHashToApproximateAspectRatio(Buffer.from(thumbhash, 'base64'))), 2)
    t.ok(thumbhash.length <= 64)
  }
})

t.test('a turned photo with a position is upright and bare in each preset', async t => {
  const photo = await sharp({
    create: { width: 800, height: 400, channels: 3, background: { r: 255, g: 0, b: 0 } },
  })
    .withExif({ IFD0: { Make: 'SecretCam' }, IFD3: { GPSLatitude: '52/1 31/1 0/1' } })
    .withMetadata({ orientation: 6 })
    .jpeg()
    .toBuffer()

  const { pictures, thumbhash } = await shrinkPicture(photo, 'image/jpeg')

  for (const picture of pictures.values()) {
    const { width, height, exif } = await sharp(picture).metadata()
    t.ok(height > width)
    t.equal(exif, undefined)
    t.notOk(Buffer.from(picture).includes('SecretCam'))
  }
  const { r, g, b } = thumbHashToAverageRGBA(Buffer.from(thumbhash, 'base64'))
  t.ok(r > 0.9 && g < 0.1 && b < 0.1, 'the hash is of this picture')
})

t.test('a small or odd picture is never made larger', async t => {
  const shapes = [
    [1, 1],
    [100, 1],
    [1, 100],
    [40, 20],
  ] as const
  for (const [width, height] of shapes) {
    const bytes = await paint('image/png', { width, height })

    const { pictures } = await shrinkPicture(bytes, 'image/png')

    for (const picture of pictures.values()) {
      const metadata = await sharp(picture).metadata()
      t.same([metadata.width, metadata.height], [width, height])
    }
  }
})

t.test(
  'they lie beside the picture with headers of ours, and a repeat changes nothing',
  async t => {
    const { memory, store, userId } = await setup()
    const bytes = await paint('image/png', { width: 700, height: 700 })
    const place = freshPrivatePlace({ userId, module: 'gallery', mimeType: 'image/png' })
    const original = { place, bytes, mimeType: 'image/png' } as const

    const first = await storeDerivatives(store, original)
    const kept = await memory.read(
      { ...place, key: derivativeKey(place.key, 'card') },
      { bytesMax },
    )
    const second = await storeDerivatives(store, original)

    t.same(first.derivatives, ['thumb', 'card'])
    t.same(second, first)
    t.same(
      await memory.read({ ...place, key: derivativeKey(place.key, 'card') }, { bytesMax }),
      kept,
    )
    for (const beside of derivativePlaces(place)) {
      t.match(await memory.find(beside), {
        mimeType: 'image/webp',
        cacheControl: 'private, max-age=900',
        contentDisposition: 'inline',
      })
    }
  },
)

t.test('a picture that cannot be made smaller, and a model, are stored without', async t => {
  const { memory, store, userId } = await setup()
  const place = freshPrivatePlace({ userId, module: 'gallery', mimeType: 'image/png' })
  const bytes = Buffer.from('not a picture')
  const fine = await paint('image/png')

  t.match(await storeDerivatives(store, { place, bytes, mimeType: 'image/png' }), {
    derivatives: [],
  })
  t.match(await storeDerivatives(store, { place, bytes, mimeType: 'model/ply' }), {
    derivatives: [],
  })
  store.failNext('create', 'before')
  t.match(await storeDerivatives(store, { place, bytes: fine, mimeType: 'image/png' }), {
    derivatives: [],
  })
  t.same(memory.places, [])
})

t.test('the sweeper makes what an asset from before lacks, once', async t => {
  const fixture = await setup()
  const { database, deps, memory, userId } = fixture
  const asset = await addOldAsset(fixture, userId)
  await database.query(sql`
    UPDATE assets SET derivatives_due_at = DEFAULT WHERE id = ${asset.id}`)

  const swept = await Promise.all(
    [1, 2].map(() => makeMissingDerivatives(deps, { assetsMax: 5 }, patient)),
  )

  t.equal(
    swept.reduce((sum, { made }) => sum + made, 0),
    1,
  )
  const found = await findAsset(database, { userId, assetId: asset.id })
  t.match(found, { derivatives: ['thumb', 'card'], thumbhash: String, version: asset.version })
  t.equal(memory.places.length, 3)
  await due(fixture)
  t.same(await makeMissingDerivatives(deps, { assetsMax: 5 }, patient), { made: 0, failures: [] })
})

t.test('a store that fails is tried again a few times, and the asset stays usable', async t => {
  const fixture = await setup()
  const { database, deps, store, userId } = fixture
  const asset = await addOldAsset(fixture, userId)
  const limits = { assetsMax: 1 }
  const outcomes: number[] = []

  for (let sweep = 0; sweep < 7; sweep++) {
    store.failNext('read', 'before')
    outcomes.push((await makeMissingDerivatives(deps, limits, patient)).failures.length)
    t.same(await makeMissingDerivatives(deps, limits, patient), { made: 0, failures: [] })
    await due(fixture)
  }

  t.same(outcomes, [1, 1, 1, 1, 1, 0, 0])
  t.same(await findAsset(database, { userId, assetId: asset.id }), asset)
})

t.test(
  'a sweeper that dies between storing and recording is followed by one that ends it',
  async t => {
    const fixture = await setup()
    const { database, deps, store, memory, userId } = fixture
    const asset = await addOldAsset(fixture, userId)
    store.failNext('create', 'after')

    const first = await makeMissingDerivatives(deps, { assetsMax: 1 }, patient)
    await due(fixture)
    const second = await makeMissingDerivatives(deps, { assetsMax: 1 }, patient)

    t.equal(first.failures.length, 1)
    t.equal(second.made, 1)
    t.equal(memory.places.length, 3)
    const found = await findAsset(database, { userId, assetId: asset.id })
    t.same(found?.derivatives, ['thumb', 'card'])
  },
)

t.test('a picture that cannot be read is given up at once, and the next one is made', async t => {
  const fixture = await setup()
  const { deps, userId } = fixture
  await addBytes(fixture, userId, Buffer.from('broken'))
  await addOldAsset(fixture, userId)

  const swept = await makeMissingDerivatives(deps, { assetsMax: 5 }, patient)
  await due(fixture)

  t.match(swept, { made: 1, failures: [{ code: 'TYPE_MISMATCH' }] })
  t.same(await makeMissingDerivatives(deps, { assetsMax: 5 }, patient), { made: 0, failures: [] })
})

t.test('while the bytes move nothing is made, and what was made too late is removed', async t => {
  const fixture = await setup()
  const { database, deps, memory, store, userId } = fixture
  const asset = await addOldAsset(fixture, userId)
  const from = { bucket: asset.bucket, key: asset.storageKey } as const
  const publish = () =>
    inTransaction(database, async tx => {
      await tx.query(sql`
        UPDATE assets SET version = version + 1, bucket = 'public', visibility = 'public',
          published_at = now(), storage_key = ${`public/shared/${userId}/x.jpg`}
        WHERE id = ${asset.id}`)
    })
  const read = async (place: Place, limits: { bytesMax: number }) => {
    await publish()
    return memory.read(place, limits)
  }

  const moved = Object.assign(makeFragile(memory), { read })
  await makeMissingDerivatives({ ...deps, store: moved }, { assetsMax: 1 }, patient)
  await inTransaction(database, tx => openMove(tx, { assetId: asset.id, from, to: from }))
  await due(fixture)
  const busy = await makeMissingDerivatives({ ...deps, store }, { assetsMax: 1 }, patient)

  t.same(memory.places, [`private:${asset.storageKey}`], 'nothing is left beside the old place')
  t.same(busy, { made: 0, failures: [] })
})

t.test('what was deleted is not made smaller any more', async t => {
  const fixture = await setup()
  const { database, deps, memory, userId } = fixture
  const asset = await addOldAsset(fixture, userId)
  await database.query(sql`UPDATE assets SET deleted_at = now() WHERE id = ${asset.id}`)

  t.same(await makeMissingDerivatives(deps, { assetsMax: 1 }, patient), { made: 0, failures: [] })
  t.equal(memory.places.length, 1)
})
