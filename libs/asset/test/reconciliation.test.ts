import t from 'tap'
import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { placeOf, type Place } from '../src/asset.ts'
import { storeOutput } from '../src/ingest.ts'
import { derivativeKey, headersFor, quarantinePlace } from '../src/object-keys.ts'
import { publishAsset } from '../src/publishing.ts'
import { reconcilePage } from '../src/reconciliation.ts'
import { makeFragile, openMemoryObjectStore, paint } from '../src/testing.ts'
import { createAsset, createTask, openFixture, patient } from './asset-fixture.ts'

const limits = { graceSeconds: 172_800, objectsMax: 3 }
const headers = headersFor({ bucket: 'private', key: 'private/x' }, 'image/png')

async function setup() {
  const fixture = await openFixture()
  const { database, userId } = fixture
  await database.query(sql`UPDATE assets SET deleted_at = now() WHERE deleted_at IS NULL`)
  await database.query(sql`
    UPDATE asset_reconciliations SET position = '', leased_until = 'epoch', missing = 0,
      missing_before = 0
  `)
  const memory = openMemoryObjectStore()
  const store = makeFragile(memory)
  const deps = { database, store, cdn: undefined }
  const put = async (place: Place) => {
    await store.create(place, Buffer.from('bytes'), headers)
    return place
  }
  const ageAll = () => {
    for (const name of memory.places) {
      const [bucket, key = ''] = name.split(':')
      if (bucket === 'private' || bucket === 'public') memory.age({ bucket, key }, 200_000)
    }
  }
  /** One round of a bucket, whatever the number of pages. */
  const runRound = async (bucket: 'private' | 'public' = 'private') => {
    const pages = []
    let isOver = false
    while (!isOver) {
      const page = await reconcilePage({ database, store }, bucket, limits)
      if (page === undefined) throw new Error('somebody else has the bucket')
      pages.push(page)
      isOver = page.listed < limits.objectsMax
    }
    return {
      removed: pages.flatMap(({ removed }) => removed),
      missing: pages.flatMap(({ missing }) => missing),
      missingInAll: pages.at(-1)?.missingInAll,
    }
  }
  return { ...fixture, memory, store, deps, put, ageAll, runRound, userId }
}

t.test('an output of a worker that died, whose task failed, is removed in time', async t => {
  const { database, userId, memory, store, ageAll, runRound } = await setup()
  const taskId = await createTask(database, userId)
  const bytes = await paint('image/png')
  const file = { userId, module: 'figme', taskId, index: 0, bytes, mimeType: 'image/png' }
  await storeOutput(store, file)
  const stored = memory.places.length

  const young = await runRound()
  ageAll()
  const old = await runRound()

  t.ok(stored >= 1)
  t.same(young.removed, [], 'a task that has not ended may still claim it')
  t.equal(old.removed.length, stored)
  t.same(memory.places, [])
})

t.test('what an asset, a move or an upload accounts for stays', async t => {
  const { database, userId, memory, store, deps, put, ageAll, runRound } = await setup()
  const asset = await createAsset(database, store, { userId })
  for (const preset of ['thumb', 'card'] as const) {
    await put({ bucket: 'private', key: derivativeKey(asset.storageKey, preset) })
  }
  const moving = await createAsset(database, store, { userId })
  store.failNext('copy', 'after')
  await publishAsset(deps, { userId, assetId: moving.id }, patient)
  const uploadId = newId()
  const { key } = await put(quarantinePlace(uploadId))
  await database.query(sql`
    INSERT INTO uploads (id, user_id, module, filename, mime_type, size, quarantine_key, expires_at)
    VALUES (${uploadId}, ${userId}, 'gallery', 'x', 'image/png', 1, ${key}, now())
  `)
  await put({ bucket: 'private', key: 'logs/of/somebody/else' })
  ageAll()
  const before = memory.places

  const rounds = [await runRound(), await runRound('public')]

  t.same(
    rounds.map(({ removed }) => removed),
    [[], []],
  )
  t.same(memory.places, before)
  t.ok(
    before.some(name => name.startsWith('public:')),
    'the copy of the move',
  )
})

t.test('bytes that nothing accounts for are removed, on any page', async t => {
  const { database, userId, store, memory, put, ageAll, runRound } = await setup()
  const kept = []
  for (let made = 0; made < 4; made++) kept.push(await createAsset(database, store, { userId }))
  const [first] = kept
  if (first === undefined) throw new Error('there are four')
  const orphans = [
    `private/${userId}/a/orphan.png`,
    `private/${userId}/a/orphan.thumb.webp`,
    `private/${userId}/z/orphan.glb`,
    `${first.storageKey}.bak`,
    quarantinePlace(newId()).key,
  ]
  for (const key of orphans) await put({ bucket: 'private', key })
  ageAll()

  const { removed, missing } = await runRound()

  t.same(removed, orphans.toSorted())
  t.same(missing, [])
  t.same(memory.places, kept.map(({ storageKey }) => `private:${storageKey}`).toSorted())
})

t.test('rows without bytes are told, round after round, and stay', async t => {
  const { database, userId, store, runRound } = await setup()
  const assets = []
  for (let made = 0; made < 5; made++) assets.push(await createAsset(database, store, { userId }))
  const lost = assets.slice(1, 3)
  for (const asset of lost) await store.remove(placeOf(asset))

  const [one, two] = [await runRound(), await runRound()]

  const ids = lost.map(({ id }) => id).toSorted()
  t.same(one.missing.toSorted(), ids)
  t.same(two.missing.toSorted(), ids)
  t.equal(two.missingInAll, 2)
  const { rows } = await database.query(sql`
    SELECT 1 FROM assets WHERE id = ANY(${ids}::uuid[]) AND deleted_at IS NULL
  `)
  t.equal(rows.length, 2)
})

t.test('one process has a bucket at a time, and a store that fails keeps the place', async t => {
  const { database, userId, store, put, ageAll } = await setup()
  await put({ bucket: 'private', key: `private/${userId}/a/orphan.png` })
  ageAll()
  const run = () => reconcilePage({ database, store }, 'private', limits)
  store.failNext('remove', 'before')

  await t.rejects(run(), { code: 'UNAVAILABLE' })
  const busy = await run()
  await database.query(sql`UPDATE asset_reconciliations SET leased_until = 'epoch'`)
  const again = await run()

  t.equal(busy, undefined, 'until the lease is over')
  t.equal(again?.removed.length, 1)
})

t.test('what deployments put beside the platform’s files stays, without any row', async t => {
  const { memory, put, ageAll, runRound } = await setup()
  const deployed = ['public/ops/api/index.html', 'public/ops/api/v2/openapi.json']
  const orphans = ['public/ops/apis/x.png', 'public/ops/banners/x.png']
  for (const key of [...deployed, ...orphans]) await put({ bucket: 'public', key })
  ageAll()

  const { removed } = await runRound('public')

  t.same(removed, orphans)
  for (const key of deployed) t.ok(memory.places.includes(`public:${key}`), key)
})
