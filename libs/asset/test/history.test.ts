import t from 'tap'
import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { listEvents } from '../src/history.ts'
import { deleteAsset, publishAsset, unpublishAsset } from '../src/publishing.ts'
import { patient } from './asset-fixture.ts'
import { openMovingFixture } from './moving-fixture.ts'

const page = { limit: 10, cursor: undefined }

t.test('the history says who could see an asset, and keeps its places to itself', async t => {
  const { database, deps, own } = await openMovingFixture()
  await publishAsset(deps, own, patient)
  await unpublishAsset(deps, own, patient)

  const { items, nextCursor } = await listEvents(database, own, page)
  const first = await listEvents(database, own, { limit: 1, cursor: undefined })
  const second = await listEvents(database, own, { limit: 9, cursor: first.nextCursor ?? '' })

  t.match(items, [
    { type: 'unpublished', by: 'owner', visibleTo: 'owner', reason: null },
    { type: 'published', by: 'owner', visibleTo: 'everybody' },
    { type: 'created', by: 'owner', visibleTo: 'owner' },
  ])
  t.equal(items.length, 3)
  t.equal(nextCursor, null)
  t.same([...first.items, ...second.items], items)
  t.notMatch(JSON.stringify(items), /private\/|public\//)
})

t.test('the history of another’s, a deleted or no asset is not found', async t => {
  const { database, deps, own, otherUserId } = await openMovingFixture()
  const strangers = [
    { ...own, userId: otherUserId },
    { ...own, assetId: newId() },
  ]

  for (const stranger of strangers) {
    await t.rejects(listEvents(database, stranger, page), { code: 'NOT_FOUND' })
  }
  await deleteAsset(deps, own, patient)
  await t.rejects(listEvents(database, own, page), { code: 'NOT_FOUND' })
})

t.test('what has happened cannot be changed or taken back', async t => {
  const { database, own } = await openMovingFixture()
  const changes = [
    sql`UPDATE asset_events SET type = 'deleted' WHERE asset_id = ${own.assetId}`,
    sql`DELETE FROM asset_events WHERE asset_id = ${own.assetId}`,
    sql`TRUNCATE asset_events`,
  ]

  for (const change of changes) await t.rejects(database.query(change), { code: '42501' })
})
