import fc from 'fast-check'
import t from 'tap'
import type { UploadId, UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import { sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import { deleteAsset } from '../src/publishing.ts'
import { Slots } from '../src/slots.ts'
import { openMemoryObjectStore, paint } from '../src/testing.ts'
import { completeUpload } from '../src/upload-completion.ts'
import { cancelUpload, expireUploads } from '../src/upload-expiry.ts'
import { beginUpload } from '../src/uploads.ts'
import { findUsageDrift, readUsage } from '../src/usage.ts'
import { createAsset, openFixture, patient } from './asset-fixture.ts'

const body = { filename: 'cat.png', mimeType: 'image/png', sizeBytes: 100, module: 'gallery' }
const idempotency = undefined
const usersMax = 10

async function setup() {
  const fixture = await openFixture()
  const store = openMemoryObjectStore()
  const quota = { bytesPerUser: 1_000_000, openTicketsMax: 1_000 }
  const checks = new Slots({ runningMax: 2, waitingMax: 100 })
  const links = { findKey: () => undefined }
  return {
    ...fixture,
    store,
    deps: { database: fixture.database, store, quota, checks, cdn: undefined, links },
  }
}

type Setup = Awaited<ReturnType<typeof setup>>
type Step = 'ticket' | 'send' | 'complete' | 'cancel' | 'expire' | 'asset' | 'delete' | 'bulk'

/** Does one step for a user, with whatever of the user's there is to do it with. */
async function take({ deps, database, store }: Setup, userId: UserId, step: Step): Promise<void> {
  const pick = async (state: string) => {
    const { rows } = await database.query<{ id: UploadId }>(sql`
      SELECT id FROM uploads WHERE user_id = ${userId} AND state = ${state}::upload_state LIMIT 1`)
    return rows[0]?.id
  }
  const uploadId = await pick('pending')
  switch (step) {
    case 'ticket':
    case 'send': {
      const bytes = await paint('image/png')
      const request = { userId, body: { ...body, sizeBytes: bytes.length }, idempotency }
      const { upload } = await beginUpload(deps, request)
      if (step === 'send') await store.send(upload, bytes)
      return
    }
    case 'complete':
      if (uploadId) await completeUpload(deps, { userId, uploadId }).catch(() => undefined)
      return
    case 'cancel':
      if (uploadId) await cancelUpload(deps, { userId, uploadId })
      return
    case 'expire':
      await database.query(sql`UPDATE uploads SET expires_at = now() WHERE id = ${uploadId}`)
      await expireUploads(deps, { uploadsMax: 5 }, patient)
      return
    case 'asset':
      await createAsset(database, store, { userId })
      return
    case 'delete':
    case 'bulk':
      await database.query(sql`
        UPDATE assets SET deleted_at = now() WHERE id IN (
          SELECT id FROM assets WHERE user_id = ${userId} AND deleted_at IS NULL
          ORDER BY id LIMIT ${step === 'bulk' ? 3 : 1})`)
  }
}

/** What is done at once may be refused, but never fails. */
async function settleProblems(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) {
    if (result.status === 'rejected' && !(result.reason instanceof AppError)) throw result.reason
  }
}

t.test('whatever is done in any order, what is counted is what is there', async t => {
  const here = await setup()
  const users = [here.userId, here.otherUserId]
  const steps: Step[] = [
    'ticket',
    'send',
    'complete',
    'cancel',
    'expire',
    'asset',
    'delete',
    'bulk',
  ]
  const step = fc.tuple(fc.constantFrom(...users), fc.constantFrom(...steps))

  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.boolean(), async (schedule, atOnce) => {
      const takeNext = ([user, what]: [UserId, Step]) => take(here, user, what)
      if (atOnce) await settleProblems(schedule.map(takeNext))
      else for (const [user, what] of schedule) await take(here, user, what)
      const drift = await findUsageDrift(here.database, { usersMax })
      return drift.length === 0
    }),
    { numRuns: 100 },
  )
  const { rowCount } = await here.database.query(sql`SELECT 1 FROM assets`)
  t.ok(rowCount, 'something was kept for a while')
})

t.test('of 64 tickets asked for at once, as many are given as the quota has room for', async t => {
  const { deps, database, userId } = await setup()
  const quota = { bytesPerUser: 1_050, openTicketsMax: 1_000 }

  const results = await Promise.allSettled(
    Array.from({ length: 64 }, () =>
      beginUpload({ ...deps, quota }, { userId, body, idempotency }),
    ),
  )

  const refused = results.filter(result => result.status === 'rejected').map(r => r.reason.code)
  t.same(new Set(refused), new Set(['QUOTA_EXCEEDED']))
  t.equal(results.length - refused.length, 10)
  t.same(await readUsage(database, userId), {
    keptBytes: 0,
    promisedBytes: 1_000,
    openTickets: 10,
  })
})

t.test('of 64 tickets asked for at once, no more are open than may be', async t => {
  const { deps, userId } = await setup()
  const quota = { bytesPerUser: 1_000_000, openTicketsMax: 7 }

  const results = await Promise.allSettled(
    Array.from({ length: 64 }, () =>
      beginUpload({ ...deps, quota }, { userId, body, idempotency }),
    ),
  )

  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 7)
})

t.test('a transaction that is undone counts for nothing', async t => {
  const { database, store, userId } = await setup()
  const undone = inTransaction(database, async tx => {
    await tx.query(sql`
      INSERT INTO uploads (id, user_id, module, filename, mime_type, size, quarantine_key,
        expires_at)
      VALUES (gen_random_uuid(), ${userId}, 'x', 'x', 'image/png', 5, gen_random_uuid()::text,
        now())`)
    throw new Error('undone')
  })

  await t.rejects(undone, { message: 'undone' })
  const asset = await createAsset(database, store, { userId })

  t.same(await readUsage(database, userId), {
    keptBytes: asset.sizeBytes,
    promisedBytes: 0,
    openTickets: 0,
  })
})

t.test('the room that is left costs the same to know, whatever a user has', async t => {
  const { database, deps, userId } = await setup()
  await database.query(sql`
    INSERT INTO assets (id, user_id, module, bucket, storage_key, mime_type, size, sha256)
    SELECT gen_random_uuid(), ${userId}, 'x', 'private', ${`private/${userId}/x/`} || n,
      'image/png', 1, repeat('0', 64) FROM generate_series(1, 20000) n`)

  const { rows } = await database.query<{ 'QUERY PLAN': string }>(sql`
    EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
    SELECT kept_bytes FROM asset_usage WHERE user_id = ${userId}`)
  const ticket = await beginUpload(deps, { userId, body, idempotency })

  t.ok(ticket)
  t.notMatch(JSON.stringify(rows), /assets|rows=[2-9]/)
  t.equal((await readUsage(database, userId)).keptBytes, 20_000)
  t.same(await findUsageDrift(database, { usersMax }), [])
  await database.query(sql`DELETE FROM assets WHERE user_id = ${userId}`)
  t.equal((await readUsage(database, userId)).keptBytes, 0)
})

t.test('a user’s first ticket and last deletion meet the row that is there or not', async t => {
  const { deps, database, store, userId, otherUserId } = await setup()
  const asset = await createAsset(database, store, { userId })

  await Promise.all([
    deleteAsset(deps, { userId, assetId: asset.id }, patient),
    beginUpload(deps, { userId, body, idempotency }),
    beginUpload(deps, { userId: otherUserId, body, idempotency }),
  ])

  t.same(await readUsage(database, userId), { keptBytes: 0, promisedBytes: 100, openTickets: 1 })
})
