import t from 'tap'
import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { publishAsset, unpublishAsset } from '../src/publishing.ts'
import { patient } from './asset-fixture.ts'
import { findBreach, openMovingFixture, passHour, readRow, sweep } from './moving-fixture.ts'

t.test('publishing moves the bytes to a public place under headers of our choice', async t => {
  const { deps, own, asset, memory } = await openMovingFixture()

  const published = await publishAsset(deps, own, patient)

  const { bucket, storageKey: key } = published.asset
  t.match(published, { isChanged: true, asset: { visibility: 'public', bucket: 'public' } })
  t.ok(published.asset.publishedAt)
  t.match(await memory.find({ bucket, key }), {
    mimeType: 'image/png',
    cacheControl: 'public, max-age=300, s-maxage=31536000',
    contentDisposition: 'inline',
    sizeBytes: asset.sizeBytes,
  })
})

t.test('the private bytes stay as long as a signed address can live, and then go', async t => {
  const { deps, own, asset, memory, database, cdn } = await openMovingFixture()
  const before = { bucket: asset.bucket, key: asset.storageKey }

  await publishAsset(deps, own, patient)
  t.same(await sweep(deps), { finished: 0, failures: [] })
  const { rows } = await database.query<{ seconds: number }>(sql`
    SELECT extract(epoch FROM delete_source_after - now())::int AS seconds
    FROM asset_moves WHERE asset_id = ${asset.id}
  `)
  t.ok(await memory.find(before))
  await passHour(database)
  t.same(await sweep(deps), { finished: 1, failures: [] })

  t.ok((rows[0]?.seconds ?? 0) > 900, 'longer than 15 minutes')
  t.equal(await memory.find(before), undefined)
  t.same(cdn.keys, [], 'no edge has ever had a private key')
})

t.test('unpublishing takes the bytes from the public bucket and the edges at once', async t => {
  const { deps, own, asset, memory, cdn, database } = await openMovingFixture()
  const { asset: published } = await publishAsset(deps, own, patient)

  const { asset: unpublished } = await unpublishAsset(deps, own, patient)

  t.match(unpublished, { visibility: 'private', bucket: 'private', publishedAt: null })
  t.not(unpublished.storageKey, asset.storageKey, 'a key is never used twice')
  t.equal(await memory.find({ bucket: 'public', key: published.storageKey }), undefined)
  t.same(cdn.keys, [published.storageKey])
  await passHour(database)
  await sweep(deps)
  t.same(memory.places, [`private:${unpublished.storageKey}`])
})

t.test('publishing and unpublishing again changes nothing', async t => {
  const { deps, own } = await openMovingFixture()

  const first = await publishAsset(deps, own, patient)
  const again = await publishAsset(deps, own, patient)
  const back = await unpublishAsset(deps, own, patient)
  const backAgain = await unpublishAsset(deps, own, patient)

  t.same(
    [first, again, back, backAgain].map(({ isChanged }) => isChanged),
    [true, false, true, false],
  )
  t.same(again.asset, first.asset)
  t.same(backAgain.asset, back.asset)
})

t.test('the history says who could see the asset, and when', async t => {
  const { deps, own, database, userId } = await openMovingFixture()

  await publishAsset(deps, own, patient)
  await unpublishAsset(deps, own, patient)

  const { rows } = await database.query<{ type: string; actorId: string | null }>(sql`
    SELECT type, actor_id AS "actorId" FROM asset_events WHERE asset_id = ${own.assetId} ORDER BY id
  `)
  t.same(rows, [
    { type: 'created', actorId: null },
    { type: 'published', actorId: userId },
    { type: 'moved', actorId: null },
    { type: 'unpublished', actorId: userId },
    { type: 'moved', actorId: null },
  ])
})

t.test(
  'a publication that dies at any step is public at once, and the sweeper ends it',
  async t => {
    const steps = [
      ['copy', 'before'],
      ['copy', 'after'],
      ['remove', 'before'],
      ['remove', 'after'],
    ] as const

    for (const [operation, moment] of steps) {
      const fixture = await openMovingFixture()
      const { deps, own, store, database, memory } = fixture
      store.failNext(operation, moment)

      const { asset } = await publishAsset(deps, own, patient)

      t.equal(asset.visibility, 'public', `${moment} ${operation}`)
      t.equal(await findBreach(fixture, own.assetId), undefined)
      for (let hours = 0; hours < 3; hours++) {
        await passHour(database)
        await sweep(deps)
        t.equal(await findBreach(fixture, own.assetId), undefined)
      }
      const row = await readRow(database, own.assetId)
      t.same(memory.places, [`public:${row.storageKey}`])
    }
  },
)

t.test(
  'an unpublication that dies at any step is private at once, and a repeat ends it',
  async t => {
    const steps = [
      ['copy', 'before'],
      ['copy', 'after'],
      ['remove', 'before'],
      ['remove', 'after'],
    ] as const

    for (const [operation, moment] of steps) {
      const fixture = await openMovingFixture()
      const { deps, own, store, database, memory, cdn } = fixture
      const { asset: published } = await publishAsset(deps, own, patient)
      store.failNext(operation, moment)

      await t.rejects(unpublishAsset(deps, own, patient), { code: 'UNAVAILABLE' })

      t.equal(
        (await readRow(database, own.assetId)).visibility,
        'private',
        `${moment} ${operation}`,
      )
      t.equal(await findBreach(fixture, own.assetId), undefined)
      await passHour(database)
      await unpublishAsset(deps, own, patient)
      await sweep(deps)
      const row = await readRow(database, own.assetId)
      t.same(memory.places, [`private:${row.storageKey}`])
      t.same(cdn.keys, [published.storageKey])
    }
  },
)

t.test('edges that were not told are told again', async t => {
  const { deps, own, cdn, database } = await openMovingFixture()
  const { asset: published } = await publishAsset(deps, own, patient)
  cdn.failNext('invalidate')

  await t.rejects(unpublishAsset(deps, own, patient), { code: 'UNAVAILABLE' })
  await passHour(database)
  await sweep(deps)

  t.same(cdn.keys, [published.storageKey])
})

t.test('turning back before the bytes have left calls the move off', async t => {
  const fixture = await openMovingFixture()
  const { deps, own, store, database, memory, asset, cdn } = fixture
  store.failNext('copy', 'after')
  await publishAsset(deps, own, patient)

  const { asset: unpublished } = await unpublishAsset(deps, own, patient)

  t.equal(unpublished.storageKey, asset.storageKey)
  t.equal(await findBreach(fixture, own.assetId), undefined)
  await passHour(database)
  await sweep(deps)
  t.same(memory.places, [`private:${asset.storageKey}`], 'the copy is gone')
  t.equal(cdn.keys.length, 1, 'and no edge keeps it')
})

t.test('somebody who finds the bytes on their way is told so', async t => {
  const { deps, own, store, database } = await openMovingFixture()
  await publishAsset(deps, own, patient)
  store.failNext('copy', 'before')
  await t.rejects(unpublishAsset(deps, own, patient), { code: 'UNAVAILABLE' })

  const busy = unpublishAsset(deps, own, patient)

  await t.rejects(busy, { code: 'ASSET_BUSY', retryAfterSeconds: 1 })
  await passHour(database)
  await t.resolves(unpublishAsset(deps, own, patient))
})

t.test('a publication that is given up in time answers with the bytes where they are', async t => {
  const { deps, own, asset } = await openMovingFixture()

  const published = await publishAsset(deps, own, AbortSignal.abort())

  t.match(published.asset, {
    visibility: 'public',
    bucket: 'private',
    storageKey: asset.storageKey,
  })
})

t.test('nobody else can publish or unpublish, and admin assets are out of reach', async t => {
  const { deps, own, asset, otherUserId, database } = await openMovingFixture()
  const others = [
    { ...own, userId: otherUserId },
    { ...own, assetId: newId() },
  ]

  for (const foreign of others) {
    await t.rejects(publishAsset(deps, foreign, patient), { code: 'NOT_FOUND' })
    await t.rejects(unpublishAsset(deps, foreign, patient), { code: 'NOT_FOUND' })
  }
  await database.query(sql`
    UPDATE assets SET purpose = 'audit', visibility = 'admin-private', bucket = 'admin',
      storage_key = ${`internal/admin/test/${asset.id}.png`} WHERE id = ${asset.id}
  `)
  await t.rejects(publishAsset(deps, own, patient), { code: 'NOT_FOUND' })
  await t.rejects(unpublishAsset(deps, own, patient), { code: 'NOT_FOUND' })
})
