import t from 'tap'
import { newId } from '@funmagic/contract/ids'
import { deleteAsset, publishAsset, unpublishAsset } from '../src/publishing.ts'
import { patient } from './asset-fixture.ts'
import { findBreach, openMovingFixture, passHour, sweep } from './moving-fixture.ts'

t.test('private bytes outlive their asset as long as an address may, and then go', async t => {
  const { deps, own, memory, database } = await openMovingFixture()

  await deleteAsset(deps, own, patient)

  await sweep(deps)
  t.equal(memory.places.length, 1)
  await passHour(database)
  await sweep(deps)
  t.same(memory.places, [])
})

t.test('public bytes go with their asset, and from the edges', async t => {
  const { deps, own, memory, database, cdn } = await openMovingFixture()
  const { asset } = await publishAsset(deps, own, patient)

  await deleteAsset(deps, own, patient)

  t.equal(await memory.find({ bucket: 'public', key: asset.storageKey }), undefined)
  t.same(cdn.keys, [asset.storageKey])
  await passHour(database)
  await sweep(deps)
  t.same(memory.places, [])
})

t.test('a deletion that dies is deleted all the same, and the sweeper ends it', async t => {
  const { deps, own, store, memory, database, cdn } = await openMovingFixture()
  await publishAsset(deps, own, patient)
  store.failNext('remove', 'before')

  await deleteAsset(deps, own, patient)

  await passHour(database)
  await sweep(deps)
  t.same(memory.places, [])
  t.equal(cdn.keys.length, 1)
})

t.test('an asset that is deleted while its bytes move leaves nothing behind', async t => {
  const fixture = await openMovingFixture()
  const { deps, own, store, memory, database } = fixture
  store.failNext('copy', 'after')
  await publishAsset(deps, own, patient)
  t.equal(memory.places.length, 2)

  await deleteAsset(deps, own, patient)

  t.equal(await findBreach(fixture, own.assetId), undefined)
  await passHour(database)
  await sweep(deps)
  t.same(memory.places, [])
})

t.test('what is deleted, foreign or unknown is not found', async t => {
  const { deps, own, otherUserId } = await openMovingFixture()

  await t.rejects(deleteAsset(deps, { ...own, userId: otherUserId }, patient), {
    code: 'NOT_FOUND',
  })
  await t.rejects(deleteAsset(deps, { ...own, assetId: newId() }, patient), { code: 'NOT_FOUND' })
  await deleteAsset(deps, own, patient)

  await t.rejects(deleteAsset(deps, own, patient), { code: 'NOT_FOUND' })
  await t.rejects(publishAsset(deps, own, patient), { code: 'NOT_FOUND' })
  await t.rejects(unpublishAsset(deps, own, patient), { code: 'NOT_FOUND' })
})
