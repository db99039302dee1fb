import sharp from 'sharp'
import t from 'tap'
import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import { discardOutputs, insertOutputAsset, storeOutput } from '../src/ingest.ts'
import { makeFragile, openMemoryObjectStore, paint } from '../src/testing.ts'
import { createTask, openFixture, sha256 } from './asset-fixture.ts'
import { glb, ply } from './models.ts'
import { claimPng } from '../src/odd-pictures.ts'

async function setup() {
  const fixture = await openFixture()
  const memory = openMemoryObjectStore()
  const taskId = await createTask(fixture.database, fixture.userId)
  const file = { userId: fixture.userId, module: 'background-remove', taskId, index: 0 }
  return { ...fixture, memory, store: makeFragile(memory), taskId, file }
}

t.test('an output keeps its bytes and becomes a private asset of its task', async t => {
  const { database, store, memory, file, taskId, userId } = await setup()
  const bytes = await paint('image/webp')

  const output = await storeOutput(store, { ...file, bytes, mimeType: 'image/webp' })
  const asset = await inTransaction(database, tx => insertOutputAsset(tx, output))

  t.match(asset, {
    userId,
    module: 'background-remove',
    visibility: 'private',
    taskId,
    taskOutput: 0,
    width: 32,
    height: 16,
    sha256: sha256(bytes),
    sizeBytes: bytes.length,
  })
  const place = { bucket: asset.bucket, key: asset.storageKey }
  t.same(await memory.read(place, { bytesMax: 100_000 }), bytes)
})

t.test('a retry keeps the bytes of the first try, and the task gets one asset', async t => {
  const { database, store, memory, file } = await setup()
  const [first, second] = [
    await paint('image/png'),
    await paint('image/png', { width: 9, height: 9 }),
  ]
  store.failNext('create', 'after')
  const attempt = storeOutput(store, { ...file, bytes: first, mimeType: 'image/png' })
  await t.rejects(attempt, { code: 'UNAVAILABLE' })

  const output = await storeOutput(store, { ...file, bytes: second, mimeType: 'image/png' })
  const asset = await inTransaction(database, tx => insertOutputAsset(tx, output))
  const again = await inTransaction(database, tx =>
    insertOutputAsset(tx, { ...output, id: newId() }),
  )

  t.match(output, { sha256: sha256(first), width: 32, height: 16 })
  t.equal(memory.places.length, 3, 'the picture in three sizes')
  t.same(again, asset)
  const events = await database.query(sql`SELECT 1 FROM asset_events WHERE asset_id = ${asset.id}`)
  t.equal(events.rowCount, 1)
})

t.test('a stream is taken up to the limit', async t => {
  const { store, file } = await setup()
  const bytes = await paint('image/png')
  async function* slices() {
    for (let at = 0; at < bytes.length; at += 50) yield bytes.subarray(at, at + 50)
  }
  async function* endless() {
    yield bytes
    // Bounded by the limit of the receiver, which stops reading.
    while (true) yield new Uint8Array(16 * 1024 * 1024)
  }

  const output = await storeOutput(store, { ...file, bytes: slices(), mimeType: 'image/png' })

  t.equal(output.sha256, sha256(bytes))
  const tooMuch = storeOutput(store, { ...file, index: 1, bytes: endless(), mimeType: 'image/png' })
  await t.rejects(tooMuch, { code: 'PAYLOAD_TOO_LARGE' })
})

t.test('the bytes say what an output is, not the provider', async t => {
  const { store, file } = await setup()
  const cases = [
    { bytes: await paint('image/webp'), mimeType: 'image/png', stored: 'image/webp' },
    { bytes: await paint('image/jpeg'), mimeType: 'image/jpg', stored: 'image/jpeg' },
    { bytes: glb({}), mimeType: 'application/octet-stream', stored: 'model/gltf-binary' },
    { bytes: glb({}), mimeType: 'model/gltf-binary', stored: 'model/gltf-binary' },
    { bytes: ply, mimeType: 'binary/octet-stream', stored: 'model/ply' },
  ]

  for (const [index, { bytes, mimeType, stored }] of cases.entries()) {
    const output = await storeOutput(store, { ...file, index, bytes, mimeType })
    t.equal(output.mimeType, stored)
    t.equal(output.width === null, stored.startsWith('model/'))
  }
})

t.test('what a tool may not produce is refused before it is stored', async t => {
  const { store, memory, file } = await setup()
  const picture = await paint('image/png')
  const tiff = await sharp(picture).tiff().toBuffer()
  const cases = {
    'an error page': [Buffer.from('<html>502</html>'), 'image/png', 'TYPE_MISMATCH'],
    'a picture of no type of ours': [tiff, 'image/tiff', 'TYPE_MISMATCH'],
    'a picture where a model was due': [picture, 'model/gltf-binary', 'TYPE_MISMATCH'],
    'a model that fetches': [
      glb({ buffers: [{ uri: 'x' }] }),
      'model/gltf-binary',
      'TYPE_MISMATCH',
    ],
    'a picture beyond the limits': [claimPng(50_000, 50_000), 'image/png', 'IMAGE_TOO_LARGE'],
    nothing: [Buffer.alloc(0), 'image/png', 'TYPE_MISMATCH'],
  } as const

  for (const [name, [bytes, mimeType, code]] of Object.entries(cases)) {
    await t.rejects(storeOutput(store, { ...file, bytes, mimeType }), { code }, name)
  }
  t.same(memory.places, [])
})

t.test('outputs of a task that settled without them are removed', async t => {
  const { store, memory, file } = await setup()
  const bytes = await paint('image/png')
  const stored = await storeOutput(store, { ...file, bytes, mimeType: 'image/png' })

  await discardOutputs(store, [stored])

  t.same(memory.places, [])
})
