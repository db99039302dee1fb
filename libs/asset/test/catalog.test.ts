import t from 'tap'
import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { findAsset, findAssetByKey, listAssetsOfTasks } from '../src/catalog.ts'
import { deleteAsset, publishAsset } from '../src/publishing.ts'
import { findSharedAsset, listSharedAssets } from '../src/publications.ts'
import { openMemoryObjectStore } from '../src/testing.ts'
import { createAsset, createTask, openFixture, patient } from './asset-fixture.ts'

async function setup() {
  const fixture = await openFixture()
  const { database, userId } = fixture
  const store = openMemoryObjectStore()
  await database.query(sql`UPDATE assets SET deleted_at = now() WHERE deleted_at IS NULL`)
  const create = (owner: { userId?: string; module?: string } = {}) =>
    createAsset(database, store, { userId, ...owner })
  return { ...fixture, store, deps: { database, store, cdn: undefined }, create }
}

t.test('an asset is found by its owner only, by id and by key', async t => {
  const { database, userId, otherUserId, create } = await setup()
  const asset = await create()
  const { id: assetId, storageKey } = asset

  t.same(await findAsset(database, { userId, assetId }), asset)
  t.same(await findAssetByKey(database, { userId, storageKey }), asset)
  t.equal(await findAsset(database, { userId: otherUserId, assetId }), undefined)
  t.equal(await findAssetByKey(database, { userId: otherUserId, storageKey }), undefined)
  t.equal(await findAsset(database, { userId, assetId: newId() }), undefined)
})

t.test('a text that is nobody’s key finds nothing', async t => {
  const { database, userId, create } = await setup()
  const { storageKey } = await create()
  const texts = [
    `/${storageKey}`,
    `${storageKey}/`,
    `s3://funmagic-private/${storageKey}`,
    storageKey.toUpperCase(),
    storageKey.replace(/.$/, '_'),
    'private/%',
    `quarantine/${newId()}`,
    '../x',
    '',
  ]

  for (const text of texts) {
    t.equal(await findAssetByKey(database, { userId, storageKey: text }), undefined, text)
  }
})

t.test('a deleted asset is in no list at once', async t => {
  const { database, userId, deps, create } = await setup()
  const { id: assetId, storageKey } = await create()
  await publishAsset(deps, { userId, assetId }, patient)

  await deleteAsset(deps, { userId, assetId }, patient)

  t.equal(await findAsset(database, { userId, assetId }), undefined)
  t.equal(await findAssetByKey(database, { userId, storageKey }), undefined)
  t.equal(await findSharedAsset(database, assetId), undefined)
  t.same((await listSharedAssets(database, { limit: 10, cursor: undefined })).items, [])
})

t.test('the outputs of many tasks come by task, in the order of the tool', async t => {
  const { database, store, userId, otherUserId } = await setup()
  const [one, two, foreign] = [
    await createTask(database, userId),
    await createTask(database, userId),
    await createTask(database, otherUserId),
  ]
  const make = (id: string, output: number, owner = userId) =>
    createAsset(database, store, { userId: owner, task: { id, output } })
  const [b, a, c] = [await make(one, 1), await make(one, 0), await make(two, 0)]
  await make(foreign, 0, otherUserId)

  const byTask = await listAssetsOfTasks(database, { userId, taskIds: [one, two, foreign] })

  t.same([...byTask.keys()].toSorted(), [one, two].toSorted())
  t.same(
    byTask.get(one)?.map(({ id }) => id),
    [a.id, b.id],
  )
  t.same(
    byTask.get(two)?.map(({ id }) => id),
    [c.id],
  )
  t.same(await listAssetsOfTasks(database, { userId, taskIds: [] }), new Map())
})

t.test('the shared feed keeps its place when the last one seen is unpublished', async t => {
  const { database, userId, otherUserId, deps, create } = await setup()
  const [a, b, c] = [await create(), await create({ userId: otherUserId }), await create()]
  for (const { id, userId: owner } of [c, a, b]) {
    await publishAsset(deps, { userId: owner, assetId: id }, patient)
    await database.query(sql`SELECT pg_sleep(0.002)`)
  }

  const first = await listSharedAssets(database, { limit: 2, cursor: undefined })
  await deleteAsset(deps, { userId, assetId: a.id }, patient)
  const second = await listSharedAssets(database, { limit: 2, cursor: first.nextCursor ?? '' })

  t.same(
    first.items.map(({ id }) => id),
    [b.id, a.id],
    'last published first',
  )
  t.same(
    second.items.map(({ id }) => id),
    [c.id],
  )
  t.equal(second.nextCursor, null)
})

t.test('a cursor that no feed gave out is refused', async t => {
  const { database } = await setup()
  const cursors = [
    '',
    '1',
    newId(),
    `1.${newId()}.2`,
    `x.${newId()}`,
    `9999999999999999.${newId()}`,
  ]

  for (const cursor of cursors) {
    const page = listSharedAssets(database, { limit: 2, cursor })
    await t.rejects(page, { code: 'INVALID_CURSOR' }, cursor)
  }
})
