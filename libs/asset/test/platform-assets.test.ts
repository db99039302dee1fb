import { newId, type AssetId, type UserId } from '@funmagic/contract/ids'
import type { Destination } from '@funmagic/contract/platform-asset'
import { sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import t from 'tap'
import { findAsset, findAssetByKey } from '../src/catalog.ts'
import { continueDeletion } from '../src/deletions.ts'
import { editAsset, findAssets, findDeleted, listAssets } from '../src/gallery.ts'
import { listEvents } from '../src/history.ts'
import { ownerOf, readAssetForReason } from '../src/moderation.ts'
import { continueMoves } from '../src/moves.ts'
import { derivativeKey } from '../src/object-keys.ts'
import {
  findPlatformAsset,
  listPlatformAssets,
  openPlatformDeletion,
  readPlatformAsset,
  type PlatformAsset,
} from '../src/platform-assets.ts'
import { findSharedAsset, listSharedAssets } from '../src/publications.ts'
import { deleteAsset, publishAsset, unpublishAsset } from '../src/publishing.ts'
import { Slots } from '../src/slots.ts'
import { paint } from '../src/testing.ts'
import { completeUpload } from '../src/upload-completion.ts'
import { expireUploads } from '../src/upload-expiry.ts'
import { beginUpload } from '../src/uploads.ts'
import { readUsage } from '../src/usage.ts'
import { patient } from './asset-fixture.ts'
import { openMovingFixture } from './moving-fixture.ts'

const quota = { bytesPerUser: 100, openTicketsMax: 3 }
const checks = new Slots({ runningMax: 1, waitingMax: 8 })
const idempotency = undefined
const side = 'platform'

type Fixture = Awaited<ReturnType<typeof openMovingFixture>>

async function begin({ deps, memory }: Fixture, userId: UserId, destination: Destination) {
  const bytes = await paint('image/png', { width: 60, height: 40 })
  const body = { filename: 'a.png', mimeType: 'image/png', sizeBytes: bytes.length, module: 'sale' }
  const request = { userId, body, idempotency, destination }
  const ticket = await beginUpload({ ...deps, quota }, request)
  await memory.send(ticket.upload, bytes)
  return ticket
}

async function add(fixture: Fixture, destination: Destination): Promise<PlatformAsset> {
  const { deps, userId } = fixture
  const { uploadId } = await begin(fixture, userId, destination)
  const { asset } = await completeUpload({ ...deps, checks, quota }, { userId, uploadId, side })
  const added = await findPlatformAsset(deps.database, asset.id)
  if (added === undefined) throw new Error('not added')
  return added
}

async function remove({ deps, userId }: Fixture, assetId: AssetId): Promise<void> {
  const { deletion } = await inTransaction(deps.database, tx =>
    openPlatformDeletion(tx, assetId, { id: userId }),
  )
  await continueDeletion(deps, deletion, patient)
}

t.test(
  'an ops file is public under its own id, for good; an audit file is nowhere near',
  async t => {
    const fixture = await openMovingFixture()
    const [ops, audit] = [await add(fixture, 'ops'), await add(fixture, 'audit')]

    t.match(ops, {
      visibility: 'public',
      bucket: 'public',
      storageKey: `public/ops/sale/${ops.id}.png`,
      derivatives: ['thumb', 'card'],
    })
    t.match(audit, {
      visibility: 'admin-private',
      bucket: 'admin',
      storageKey: `internal/admin/sale/${audit.id}.png`,
    })
    for (const key of [ops.storageKey, derivativeKey(ops.storageKey, 'card')]) {
      const found = await fixture.memory.find({ bucket: 'public', key })
      t.equal(found?.cacheControl, 'public, max-age=31536000, immutable')
    }
    const found = await fixture.memory.find({ bucket: 'admin', key: audit.storageKey })
    t.equal(found?.cacheControl, 'private, no-store')
    t.match(await readUsage(fixture.database, fixture.userId), { promisedBytes: 0, openTickets: 0 })
  },
)

t.test('no function of users finds, shows or changes a file of the platform', async t => {
  const fixture = await openMovingFixture()
  const { database, deps, userId } = fixture
  for (const destination of ['ops', 'audit'] as const) {
    const { id: assetId, storageKey } = await add(fixture, destination)
    const own = { userId, assetId }
    const gallery = await listAssets(
      database,
      { userId, filter: {} },
      { limit: 100, cursor: undefined },
    )
    const feed = await listSharedAssets(database, { limit: 100, cursor: undefined })

    t.equal(await findAsset(database, own), undefined)
    t.equal(await findAssetByKey(database, { userId, storageKey }), undefined)
    t.equal(await findSharedAsset(database, assetId), undefined)
    t.match(await findAssets(database, { userId, ids: [assetId] }), { found: [] })
    t.notOk([...gallery.items, ...feed.items].some(({ id }) => id === assetId))
    const refused: (() => Promise<unknown>)[] = [
      () => publishAsset(deps, own, patient),
      () => unpublishAsset(deps, own, patient),
      () => deleteAsset(deps, own, patient),
      () => editAsset(database, own, { tags: ['x'] }),
      () => listEvents(database, own, { limit: 1, cursor: undefined }),
      () => ownerOf(database, assetId),
    ]
    for (const attempt of refused)
      await t.rejects(async () => void (await attempt()), { code: 'NOT_FOUND' })
    await remove(fixture, assetId)
    t.same(await findDeleted(database, { userId, ids: [assetId] }), new Set())
  }
})

t.test('the database itself keeps files where their purpose says (S11)', async t => {
  const fixture = await openMovingFixture()
  const { database, asset: own } = fixture
  const [ops, audit] = [await add(fixture, 'ops'), await add(fixture, 'audit')]
  const changes = [
    sql`UPDATE assets SET visibility = 'public' WHERE id = ${audit.id}`,
    sql`UPDATE assets SET visibility = 'private' WHERE id = ${audit.id}`,
    sql`UPDATE assets SET bucket = 'public' WHERE id = ${audit.id}`,
    sql`UPDATE assets SET visibility = 'private' WHERE id = ${ops.id}`,
    sql`UPDATE assets SET storage_key = 'public/shared/x.png' WHERE id = ${ops.id}`,
    sql`UPDATE assets SET visibility = 'admin-private' WHERE id = ${own.id}`,
    sql`UPDATE assets SET bucket = 'admin' WHERE id = ${own.id}`,
  ]

  for (const change of changes) {
    await t.rejects(database.query(change), /violates check constraint/)
  }
})

t.test('a deleted ops file leaves the bucket and the edges at once', async t => {
  const fixture = await openMovingFixture()
  const ops = await add(fixture, 'ops')
  const again = () => remove(fixture, ops.id)

  await remove(fixture, ops.id)

  t.same(
    fixture.memory.places.filter(place => place.includes(`sale/${ops.id}`)),
    [],
  )
  t.same(fixture.cdn.keys, [ops.storageKey])
  t.equal(await findPlatformAsset(fixture.database, ops.id), undefined)
  await t.rejects(again(), { code: 'NOT_FOUND' })
})

t.test('when the store fails, the sweeper removes a deleted ops file', async t => {
  const fixture = await openMovingFixture()
  const ops = await add(fixture, 'ops')
  fixture.store.failNext('remove', 'before')

  await remove(fixture, ops.id)
  const before = fixture.memory.places.filter(place => place.includes(`sale/${ops.id}`)).length
  await fixture.database.query(sql`UPDATE asset_moves SET next_attempt_at = now()`)
  await continueMoves(fixture.deps, { movesMax: 10 }, patient)

  t.equal(before, 3)
  t.notOk(fixture.memory.places.some(place => place.includes(`sale/${ops.id}`)))
  t.same(fixture.cdn.keys, [ops.storageKey])
})

t.test('what is read of an audit file is written down first, for others with a reason', async t => {
  const fixture = await openMovingFixture()
  const { database, userId, otherUserId } = fixture
  const [ops, audit] = [await add(fixture, 'ops'), await add(fixture, 'audit')]
  const reason = 'Asked for by counsel'

  const own = await readPlatformAsset(database, audit.id, { id: userId })
  const others = await readPlatformAsset(database, audit.id, { id: otherUserId })
  await readPlatformAsset(database, ops.id, { id: otherUserId })
  await readAssetForReason(database, audit.id, { id: otherUserId, reason })

  t.same([own.isHandedOut, others.isHandedOut], [true, false])
  const { rows } = await database.query(sql`
    SELECT type, actor_id AS by, detail FROM asset_events
    WHERE asset_id IN (${audit.id}, ${ops.id}) ORDER BY id
  `)
  t.same(rows, [
    { type: 'created', by: userId, detail: {} },
    { type: 'created', by: userId, detail: {} },
    { type: 'read', by: userId, detail: {} },
    { type: 'read', by: otherUserId, detail: { reason } },
  ])
  await t.rejects(readAssetForReason(database, ops.id, { id: otherUserId, reason }), {
    code: 'NOT_FOUND',
  })
})

t.test('a page repeats nothing, and its cursor is good for its filter only', async t => {
  const fixture = await openMovingFixture()
  const { database } = fixture
  await database.query(sql`UPDATE assets SET deleted_at = now() WHERE purpose <> 'user'`)
  const made: PlatformAsset[] = []
  for (const destination of ['ops', 'audit', 'ops'] as const) {
    made.unshift(await add(fixture, destination))
  }
  const list = (filter: object, cursor?: string) =>
    listPlatformAssets(database, filter, { limit: 2, cursor })

  const first = await list({})
  const second = await list({}, first.nextCursor ?? '')
  const ops = await list({ destination: 'ops', label: 'sale' })

  t.same([...first.items, ...second.items], made)
  t.equal(second.nextCursor, null)
  t.same(ops.items, [made[0], made[2]])
  t.same((await list({ label: 'other' })).items, [])
  await t.rejects(list({ destination: 'ops' }, first.nextCursor ?? ''), { code: 'INVALID_CURSOR' })
  await t.rejects(list({}, newId()), { code: 'INVALID_CURSOR' })
})

t.test('tickets for the platform are bounded, and take nothing of the user’s own', async t => {
  const fixture = await openMovingFixture()
  const { deps, userId, database } = fixture
  const before = await readUsage(database, userId)
  const tickets = []
  for (let count = 0; count < 3; count++) tickets.push(await begin(fixture, userId, 'ops'))

  await t.rejects(begin(fixture, userId, 'audit'), { code: 'RATE_LIMITED' })
  t.same(await readUsage(database, userId), before)
  const [{ uploadId } = { uploadId: '' }] = tickets
  const completing = completeUpload({ ...deps, checks, quota }, { userId, uploadId })
  await t.rejects(completing, { code: 'NOT_FOUND' }, 'not as one’s own')
})

t.test('a completion that dies before its commit leaves no public byte behind', async t => {
  const fixture = await openMovingFixture()
  const { deps, database, userId, memory } = fixture
  const { uploadId } = await begin(fixture, userId, 'ops')
  const own = { userId, uploadId, side } as const
  const dying = completeUpload({ ...deps, checks, quota }, own, async () => {
    throw new Error('died')
  })
  await t.rejects(dying, { message: 'died' })
  t.equal(memory.places.filter(place => place.includes('public/ops/')).length, 3)

  await database.query(sql`UPDATE uploads SET expires_at = now() - interval '2 hours'`)
  await expireUploads(deps, { uploadsMax: 10 }, patient)

  t.notOk(memory.places.some(place => place.includes('public/ops/')))
  t.equal(await findPlatformAsset(database, uploadId), undefined)
})
