import t from 'tap'
import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import type { Place } from '../src/asset.ts'
import { derivativePlaces } from '../src/object-keys.ts'
import { deleteAsset } from '../src/publishing.ts'
import { Slots } from '../src/slots.ts'
import { makeFragile, openMemoryObjectStore, paint, paintSlow } from '../src/testing.ts'
import { completeUpload } from '../src/upload-completion.ts'
import { expireUploads } from '../src/upload-expiry.ts'
import { beginUpload } from '../src/uploads.ts'
import { openFixture, patient, sha256 } from './asset-fixture.ts'
import { claimPng } from '../src/odd-pictures.ts'

async function setup() {
  const fixture = await openFixture()
  const memory = openMemoryObjectStore()
  const store = makeFragile(memory)
  const quota = { bytesPerUser: 1_000_000_000, openTicketsMax: 100 }
  const checks = new Slots({ runningMax: 2, waitingMax: 8 })
  const deps = { database: fixture.database, store, quota, checks, cdn: undefined }
  const begin = (bytes: Uint8Array, declared: { mimeType?: string; sha256?: string } = {}) =>
    beginUpload(deps, {
      userId: fixture.userId,
      idempotency: undefined,
      body: {
        filename: 'cat.png',
        mimeType: 'image/png',
        sizeBytes: bytes.length,
        module: 'gallery',
        ...declared,
      },
    })
  return { ...fixture, memory, store, deps, begin }
}

t.test('a completed upload is one private asset, and a repeat brings the same', async t => {
  const { begin, memory, deps, userId } = await setup()
  const picture = await paint('image/png')
  const { uploadId, upload } = await begin(picture, { sha256: sha256(picture) })
  await memory.send(upload, picture)

  const first = await completeUpload(deps, { userId, uploadId })
  const again = await completeUpload(deps, { userId, uploadId })

  t.same([first.isNew, again.isNew], [true, false])
  t.same(again.asset, first.asset)
  t.match(first.asset, {
    userId,
    module: 'gallery',
    visibility: 'private',
    filename: 'cat.png',
    mimeType: 'image/png',
    width: 32,
    height: 16,
    version: 1,
  })
  const place = { bucket: 'private', key: first.asset.storageKey } as const
  const stored = await memory.read(place, { bytesMax: 10_000 })
  t.equal(first.asset.sha256, sha256(stored ?? new Uint8Array()))
  t.match(await memory.find(place), {
    sizeBytes: first.asset.sizeBytes,
    mimeType: 'image/png',
    cacheControl: 'private, max-age=900',
  })
})

t.test('requests that complete one upload at once make one asset', async t => {
  const { begin, memory, deps, userId, database } = await setup()
  const picture = await paint('image/png')
  const { uploadId, upload } = await begin(picture)
  await memory.send(upload, picture)
  const requests = 6
  const allHere = Promise.withResolvers<void>()
  let arrived = 0
  const find = async (place: Place) => {
    if (++arrived === requests) allHere.resolve()
    await allHere.promise
    return memory.find(place)
  }
  const store = Object.assign(makeFragile(memory), { find })

  const completions = await Promise.all(
    Array.from({ length: requests }, () =>
      completeUpload({ ...deps, store }, { userId, uploadId }),
    ),
  )

  t.equal(completions.filter(({ isNew }) => isNew).length, 1)
  t.equal(new Set(completions.map(({ asset }) => asset.id)).size, 1)
  const { rows } = await database.query(sql`
    SELECT type FROM asset_events WHERE asset_id = ${completions[0]?.asset.id}
  `)
  t.same(rows, [{ type: 'created' }])
})

t.test('the ticket says why it cannot be completed', async t => {
  const { begin, memory, deps, userId, otherUserId, database } = await setup()
  const picture = await paint('image/png')
  const { uploadId, upload } = await begin(picture)

  await t.rejects(completeUpload(deps, { userId, uploadId }), { code: 'UPLOAD_INCOMPLETE' })
  await memory.send(upload, picture)
  await t.rejects(completeUpload(deps, { userId: otherUserId, uploadId }), { code: 'NOT_FOUND' })
  await t.rejects(completeUpload(deps, { userId, uploadId: newId() }), { code: 'NOT_FOUND' })
  await database.query(sql`UPDATE uploads SET expires_at = now() WHERE user_id = ${userId}`)
  await t.rejects(completeUpload(deps, { userId, uploadId }), { code: 'TICKET_EXPIRED' })
  await expireUploads(deps, { uploadsMax: 1 }, patient)
  await t.rejects(completeUpload(deps, { userId, uploadId }), { code: 'TICKET_EXPIRED' })
})

t.test('bytes that are not what was declared never become an asset', async t => {
  const { begin, memory, deps, userId, database } = await setup()
  const webp = await paint('image/webp')
  const cases = {
    TYPE_MISMATCH: { bytes: webp, declared: {} },
    IMAGE_TOO_LARGE: { bytes: claimPng(65_535, 65_535), declared: {} },
    IMAGE_INVALID: { bytes: claimPng(1_000, 1_000), declared: {} },
  }

  for (const [code, { bytes, declared }] of Object.entries(cases)) {
    const { uploadId, upload } = await begin(bytes, declared)
    await memory.send(upload, bytes)
    await t.rejects(completeUpload(deps, { userId, uploadId }), { code })
  }

  const { rowCount } = await database.query(sql`SELECT 1 FROM assets WHERE user_id = ${userId}`)
  t.equal(rowCount, 0)
  t.ok(memory.places.every(place => place.startsWith('private:quarantine/')))
})

t.test('a store that is laxer than S3 cannot slip other bytes in', async t => {
  const { begin, store, deps, userId } = await setup()
  const picture = await paint('image/png')
  const other = await paint('image/png', { width: 33, height: 16 })
  const headers = { mimeType: 'image/png', cacheControl: '', contentDisposition: '' }
  const quarantined = (uploadId: string) =>
    ({ bucket: 'private', key: `quarantine/${uploadId}` }) as const

  const longer = await begin(picture)
  await store.create(quarantined(longer.uploadId), Buffer.concat([picture, other]), headers)
  const wrong = await begin(other, { sha256: sha256(picture) })
  await store.create(quarantined(wrong.uploadId), other, headers)

  const code = 'CHECKSUM_MISMATCH'
  await t.rejects(completeUpload(deps, { userId, uploadId: longer.uploadId }), { code })
  await t.rejects(completeUpload(deps, { userId, uploadId: wrong.uploadId }), { code })
})

t.test('a completion that dies at any step is finished by the next request', async t => {
  const { begin, memory, store, deps, userId } = await setup()
  const steps = [
    ['find', 'before'],
    ['read', 'before'],
    ['create', 'before'],
    ['create', 'after'],
  ] as const

  for (const [operation, moment] of steps) {
    const picture = await paint('image/png')
    const { uploadId, upload } = await begin(picture)
    await memory.send(upload, picture)
    store.failNext(operation, moment)
    await t.rejects(completeUpload(deps, { userId, uploadId }), { code: 'UNAVAILABLE' })

    const { asset, isNew } = await completeUpload(deps, { userId, uploadId })

    t.ok(isNew, `${moment} ${operation}`)
    t.ok(await memory.find({ bucket: 'private', key: asset.storageKey }))
  }
  t.equal(memory.places.length, 4 * steps.length, 'nothing was stored twice')
})

t.test('an upload whose completion died and that expires leaves nothing behind', async t => {
  const { begin, memory, store, deps, userId, database } = await setup()
  const picture = await paint('image/png')
  const { uploadId, upload } = await begin(picture)
  await memory.send(upload, picture)
  store.failNext('create', 'after')
  await t.rejects(completeUpload(deps, { userId, uploadId }), { code: 'UNAVAILABLE' })
  t.equal(memory.places.length, 2)

  await database.query(sql`
    UPDATE uploads SET expires_at = now() - interval '2 hours' WHERE user_id = ${userId}
  `)
  await expireUploads(deps, { uploadsMax: 1 }, patient)

  t.same(memory.places, [])
})

t.test('bytes that are sent again later change nothing, and are removed', async t => {
  const { begin, memory, deps, userId, database } = await setup()
  const picture = await paint('image/png')
  const { uploadId, upload } = await begin(picture)
  await memory.send(upload, picture)
  const { asset } = await completeUpload(deps, { userId, uploadId })
  const quarantined = { bucket: 'private', key: `quarantine/${uploadId}` } as const

  t.equal(await memory.send(upload, picture), 412)
  await memory.remove(quarantined)
  t.equal(await memory.send(upload, picture), 200, 'it lands in quarantine only')
  await database.query(sql`
    UPDATE uploads SET expires_at = now() - interval '2 hours' WHERE user_id = ${userId}
  `)
  await expireUploads(deps, { uploadsMax: 1 }, patient)

  const kept = { bucket: asset.bucket, key: asset.storageKey }
  const places = [kept, ...derivativePlaces(kept)].map(({ bucket, key }) => `${bucket}:${key}`)
  t.same(memory.places, places.toSorted())
  t.same((await completeUpload(deps, { userId, uploadId })).asset, asset, 'also after its end')
})

t.test('a completed upload whose asset was deleted is not found', async t => {
  const { begin, memory, deps, userId } = await setup()
  const picture = await paint('image/png')
  const { uploadId, upload } = await begin(picture)
  await memory.send(upload, picture)
  const { asset } = await completeUpload(deps, { userId, uploadId })

  await deleteAsset(deps, { userId, assetId: asset.id }, patient)

  await t.rejects(completeUpload(deps, { userId, uploadId }), { code: 'NOT_FOUND' })
})

t.test('a picture that was not decoded in time is confirmed when it is tried again', async t => {
  const { begin, memory, deps, userId } = await setup()
  const picture = await paintSlow()
  const { uploadId, upload } = await begin(picture)
  await memory.send(upload, picture)

  const inHaste = completeUpload({ ...deps, decodeSecondsMax: 1 }, { userId, uploadId })

  await t.rejects(inHaste, { code: 'OVERLOADED', retryAfterSeconds: Number })
  const { isNew, asset } = await completeUpload(
    { ...deps, decodeSecondsMax: 1_000 },
    { userId, uploadId },
  )
  t.match({ isNew, asset }, { isNew: true, asset: { width: 7_300, height: 5_475 } })
})
