import t from 'tap'
import { sql } from '@funmagic/database/sql'
import { readMoveBacklog } from '../src/move-backlog.ts'
import { deleteAsset, publishAsset, unpublishAsset } from '../src/publishing.ts'
import { continueRevocations } from '../src/revocations.ts'
import { createAsset, patient } from './asset-fixture.ts'
import { openMovingFixture, passHour, readRow, sweep } from './moving-fixture.ts'

type Fixture = Awaited<ReturnType<typeof openMovingFixture>>

/** Sweeps what the edges are to forget, whatever the next attempt was put off to. */
async function sweepEdges({ database, cdn }: Fixture) {
  await database.query(sql`
    UPDATE asset_revocations SET next_attempt_at = now() - interval '1 second'
    WHERE refused_at IS NULL
  `)
  return continueRevocations({ database, cdn }, patient)
}

async function publishMany(fixture: Fixture, count: number) {
  const { deps, store, database, userId } = fixture
  const keys: string[] = []
  const assets: { userId: string; assetId: string }[] = []
  for (let index = 0; index < count; index++) {
    const { id: assetId } = await createAsset(database, store, { userId })
    const { asset } = await publishAsset(deps, { userId, assetId }, patient)
    keys.push(asset.storageKey)
    assets.push({ userId, assetId })
  }
  return { keys, assets }
}

t.test('the time until the public address refuses is measured once, and is history', async t => {
  const fixture = await openMovingFixture()
  const { deps, own, cdn, database } = fixture
  const { asset } = await publishAsset(deps, own, patient)
  cdn.served.add(asset.storageKey)
  await unpublishAsset(deps, own, patient)

  const first = await sweepEdges(fixture)
  const late = await readMoveBacklog(database)
  cdn.served.clear()
  const second = await sweepEdges(fixture)
  const third = await sweepEdges(fixture)

  t.match(first, { refused: [], served: 1, failures: [] })
  t.match(late, { revocations: 1, moves: 0 })
  t.ok(late.oldestRevocationSeconds > 0)
  t.match(second, { refused: [{ assetId: own.assetId }], served: 0 })
  t.ok((second.refused[0]?.seconds ?? -1) >= 0)
  t.match(third, { refused: [], served: 0 })
  t.match(await readMoveBacklog(database), { revocations: 0, oldestRevocationSeconds: 0 })
  const { rows } = await database.query(sql`
    SELECT detail FROM asset_events WHERE asset_id = ${own.assetId} AND type = 'revoked'
  `)
  t.match(rows, [{ detail: { seconds: Number } }])
})

t.test('every object of the asset is named and probed, derivatives too', async t => {
  const fixture = await openMovingFixture()
  const { deps, own, cdn } = fixture
  const { asset } = await publishAsset(deps, own, patient)
  const thumb = asset.storageKey.replace('.png', '.thumb.webp')
  cdn.served.add(thumb)

  await deleteAsset(deps, own, patient)

  const stem = `/${asset.storageKey.replace('.png', '')}`
  t.same(cdn.requests[0]?.paths, [`${stem}.card.webp`, `${stem}.png`, `${stem}.thumb.webp`])
  t.match(await sweepEdges(fixture), { served: 1 }, 'the thumbnail is still served')
})

t.test('a request that was not answered is sent again under its own reference', async t => {
  const fixture = await openMovingFixture()
  const { deps, own, cdn } = fixture
  await publishAsset(deps, own, patient)
  cdn.failNext('invalidate', 'after')

  await t.rejects(unpublishAsset(deps, own, patient), { code: 'UNAVAILABLE' })
  await t.rejects(unpublishAsset(deps, own, patient), { code: 'ASSET_BUSY' })
  await sweepEdges(fixture)

  t.equal(cdn.requests.length, 2)
  t.same(cdn.requests[0], cdn.requests[1], 'the same request to the CDN')
  t.match(await sweepEdges(fixture), { refused: [{ assetId: own.assetId }] })
  t.equal((await readRow(fixture.database, own.assetId)).visibility, 'private')
})

t.test('a repeat of the unpublication sends what was not accepted', async t => {
  const fixture = await openMovingFixture()
  const { deps, own, cdn, database } = fixture
  await publishAsset(deps, own, patient)
  cdn.failNext('invalidate')
  await t.rejects(unpublishAsset(deps, own, patient), { code: 'UNAVAILABLE' })
  await passHour(database)

  await unpublishAsset(deps, own, patient)
  await unpublishAsset(deps, own, patient)

  t.equal(cdn.requests.length, 1)
})

t.test('what failed one by one is sent as one, and sweepers side by side send it once', async t => {
  const fixture = await openMovingFixture()
  const { deps, cdn } = fixture
  const { keys, assets } = await publishMany(fixture, 5)
  for (const own of assets) {
    cdn.failNext('invalidate')
    await deleteAsset(deps, own, patient)
  }
  t.equal(cdn.requests.length, 0)

  const { database } = fixture
  await database.query(sql`
    UPDATE asset_revocations SET invalidation_id = NULL,
      next_attempt_at = now() - interval '1 second'
    WHERE refused_at IS NULL
  `)
  const sweeps = [1, 2, 3].map(() => continueRevocations({ database, cdn }, patient))
  await Promise.all(sweeps)

  t.same(cdn.keys.toSorted(), keys.toSorted(), 'each once')
})

t.test('an edge that still serves after ten minutes is told anew', async t => {
  const fixture = await openMovingFixture()
  const { deps, own, cdn, database } = fixture
  const { asset } = await publishAsset(deps, own, patient)
  cdn.served.add(asset.storageKey)
  await unpublishAsset(deps, own, patient)
  await sweepEdges(fixture)
  await database.query(sql`
    UPDATE cdn_invalidations SET accepted_at = accepted_at - interval '11 minutes'
  `)

  await sweepEdges(fixture)
  cdn.served.clear()
  const last = await sweepEdges(fixture)

  const [first, second] = cdn.requests
  t.equal(cdn.requests.length, 2)
  t.not(first?.reference, second?.reference)
  t.equal(last.refused.length, 1)
})

t.test('the CDN is never asked for more than it takes at one time', async t => {
  const fixture = await openMovingFixture()
  const { deps, own, cdn, database } = fixture
  await publishAsset(deps, own, patient)
  const other = await createAsset(database, fixture.store, { userId: fixture.userId })
  await database.query(sql`
    INSERT INTO cdn_invalidations (id, paths, accepted_at)
    SELECT ${other.id}, array_agg('/public/' || n), now() FROM generate_series(1, 2998) AS n
  `)
  await database.query(sql`
    INSERT INTO asset_revocations (id, asset_id, keys, requested_at, invalidation_id,
      next_attempt_at)
    VALUES (${other.id}, ${other.id}, '{public/x}', now(), ${other.id}, now() + interval '1 hour')
  `)

  await unpublishAsset(deps, own, patient)

  t.same(cdn.requests.at(-1)?.paths, [`/public/shared/${fixture.userId}/*`])
})

t.test('a CDN that does not answer probes is asked less and less often', async t => {
  const fixture = await openMovingFixture()
  const { deps, own, cdn, database } = fixture
  await publishAsset(deps, own, patient)
  await unpublishAsset(deps, own, patient)
  const delays: number[] = []

  for (let attempt = 0; attempt < 9; attempt++) {
    cdn.failNext('probe')
    t.match(await sweepEdges(fixture), { failures: [{ code: 'UNAVAILABLE' }] })
    const { rows } = await database.query<{ seconds: number }>(sql`
      SELECT round(extract(epoch FROM next_attempt_at - now()))::int AS seconds
      FROM asset_revocations WHERE asset_id = ${own.assetId} AND last_error IS NOT NULL
    `)
    delays.push(rows[0]?.seconds ?? 0)
  }

  t.same(delays, [2, 4, 8, 16, 32, 64, 128, 256, 300])
  await sweep(deps)
})
