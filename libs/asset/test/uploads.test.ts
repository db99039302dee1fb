import t from 'tap'
import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { StoreFailure } from '../src/object-store.ts'
import { makeFragile, openMemoryObjectStore } from '../src/testing.ts'
import { expireUploads } from '../src/upload-expiry.ts'
import { beginUpload, uploadBytesMax, type UploadDeps } from '../src/uploads.ts'
import { createAsset, openFixture, patient } from './asset-fixture.ts'

const body = {
  filename: 'cat.png',
  mimeType: 'image/png',
  sizeBytes: 1_000,
  module: 'gallery',
}
const idempotency = undefined

async function setup() {
  const fixture = await openFixture()
  const store = openMemoryObjectStore()
  const quota = { bytesPerUser: 10_000, openTicketsMax: 5 }
  const deps: UploadDeps = { database: fixture.database, store, quota }
  return { ...fixture, store, deps }
}

t.test('a ticket takes the bytes into quarantine, under the name the user gave', async t => {
  const { deps, store, userId, database } = await setup()

  const ticket = await beginUpload(deps, {
    userId,
    body: { ...body, filename: '../../e\u0301\u202egnp.<b>\u0007.png ' },
    idempotency,
  })
  const status = await store.send(ticket.upload, Buffer.alloc(1_000))

  t.equal(status, 200)
  t.same(store.places, [`private:quarantine/${ticket.uploadId}`])
  const { rows } = await database.query(
    sql`SELECT state, filename, size FROM uploads WHERE user_id = ${userId}`,
  )
  t.same(rows, [{ state: 'pending', filename: 'égnp.<b>.png', size: 1_000 }])
  t.match(ticket.upload, { method: 'PUT', headers: { 'content-type': 'image/png' } })
})

t.test('a type that is not a picture of ours is refused before anything is kept', async t => {
  const { deps, userId, database } = await setup()
  const mimeTypes = ['image/svg+xml', 'text/html', 'application/pdf', 'image/tiff', 'image/PNG']

  for (const mimeType of mimeTypes) {
    const request = { userId, body: { ...body, mimeType }, idempotency }
    await t.rejects(beginUpload(deps, request), { code: 'UNSUPPORTED_MEDIA_TYPE' }, mimeType)
  }
  const tooLarge = { ...body, sizeBytes: uploadBytesMax + 1 }
  await t.rejects(beginUpload(deps, { userId, body: tooLarge, idempotency }), {
    code: 'PAYLOAD_TOO_LARGE',
  })

  const { rowCount } = await database.query(sql`SELECT 1 FROM uploads WHERE user_id = ${userId}`)
  t.equal(rowCount, 0)
})

t.test('the same key brings the same ticket, and another body is a mismatch', async t => {
  const { deps, userId, otherUserId } = await setup()
  const request = { userId, body, idempotency: { key: 'k', requestHash: '0'.repeat(64) } }
  const otherHash = { key: 'k', requestHash: '1'.repeat(64) }

  const tickets = await Promise.all([1, 2, 3].map(() => beginUpload(deps, request)))

  t.same(tickets[1], tickets[0])
  t.same(tickets[2], tickets[0])
  await t.rejects(beginUpload(deps, { ...request, idempotency: otherHash }), {
    code: 'IDEMPOTENCY_MISMATCH',
  })
  const others = await beginUpload(deps, { ...request, userId: otherUserId })
  t.not(others.uploadId, tickets[0]?.uploadId, 'keys are of one user')
})

t.test('a user cannot promise more bytes than the quota, however many ask at once', async t => {
  const { deps, store, userId, otherUserId, database } = await setup()
  const asset = await createAsset(database, store, { userId })
  const request = { userId, body: { ...body, sizeBytes: 4_980 }, idempotency }

  const results = await Promise.allSettled([1, 2, 3].map(() => beginUpload(deps, request)))

  t.ok(asset.sizeBytes > 40, 'so that two tickets are too many')
  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
  const refused = results.filter(result => result.status === 'rejected').map(r => r.reason)
  t.match(refused, [{ code: 'QUOTA_EXCEEDED' }, { code: 'QUOTA_EXCEEDED' }])
  await t.resolves(beginUpload(deps, { ...request, userId: otherUserId }))
})

t.test('open tickets are counted, and return when they expire', async t => {
  const { deps, userId, database } = await setup()
  const request = { userId, body: { ...body, sizeBytes: 1 }, idempotency }

  const results = await Promise.allSettled(
    Array.from({ length: 7 }, () => beginUpload(deps, request)),
  )

  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 5)
  await t.rejects(beginUpload(deps, request), { code: 'RATE_LIMITED' })
  await database.query(sql`UPDATE uploads SET expires_at = now() WHERE user_id = ${userId}`)
  await t.resolves(beginUpload(deps, request))
})

t.test('what was sent is removed once nobody can send any more', async t => {
  const { deps, store, userId, database } = await setup()
  const ticket = await beginUpload(deps, { userId, body, idempotency })
  await store.send(ticket.upload, Buffer.alloc(1_000))
  const age = (interval: string) =>
    database.query(sql`
      UPDATE uploads SET expires_at = now() - ${interval}::interval WHERE user_id = ${userId}
    `)

  t.match(await expireUploads(deps, { uploadsMax: 10 }, patient), { expired: 0, cleared: 0 })
  await age('1 minute')
  t.match(await expireUploads(deps, { uploadsMax: 10 }, patient), { expired: 1, cleared: 0 })
  t.equal(store.places.length, 1, 'a last PUT may still be on its way')
  await age('61 minutes')
  const swept = await Promise.all(
    [1, 2].map(() => expireUploads(deps, { uploadsMax: 10 }, patient)),
  )
  t.match(swept, [{ expired: 0 }, { expired: 0 }], 'two sweepers do no harm')
  t.same(store.places, [])
  t.match(await expireUploads(deps, { uploadsMax: 10 }, patient), { expired: 0, cleared: 0 })
})

t.test('one sweep does a bounded amount', async t => {
  const { deps, database, userId } = await setup()
  for (let count = 0; count < 3; count++) {
    const request = { userId, body: { ...body, filename: newId() }, idempotency }
    await beginUpload(deps, request)
  }
  await database.query(sql`
    UPDATE uploads SET expires_at = now() - interval '2 hours' WHERE user_id = ${userId}
  `)

  t.match(await expireUploads(deps, { uploadsMax: 2 }, patient), { expired: 3, cleared: 2 })
  t.match(await expireUploads(deps, { uploadsMax: 2 }, patient), { expired: 0, cleared: 1 })
})

t.test('an upload that the store does not let go of holds up no other', async t => {
  const { deps, store, database, userId } = await setup()
  for (let count = 0; count < 3; count++) {
    const request = { userId, body: { ...body, filename: newId() }, idempotency }
    const { upload } = await beginUpload(deps, request)
    await store.send(upload, new Uint8Array(body.sizeBytes))
  }
  await database.query(sql`
    UPDATE uploads SET expires_at = now() - interval '2 hours' WHERE user_id = ${userId}
  `)
  const fragile = makeFragile(store)
  fragile.failNext('remove', 'before')

  const first = await expireUploads({ database, store: fragile }, { uploadsMax: 10 }, patient)
  const left = store.places.length
  const second = await expireUploads({ database, store: fragile }, { uploadsMax: 10 }, patient)

  t.match(first, { expired: 3, cleared: 2, failures: [{ code: 'UNAVAILABLE' }] })
  t.equal(left, 1)
  t.match(second, { expired: 0, cleared: 1, failures: [] })
  t.same(store.places, [])
})

t.test(
  'a store that is away is asked a few times in a sweep, not once for each upload',
  async t => {
    const { deps, store, database, userId } = await setup()
    const quota = { ...deps.quota, bytesPerUser: 100_000, openTicketsMax: 20 }
    for (let count = 0; count < 15; count++) {
      const request = { userId, body: { ...body, filename: newId() }, idempotency }
      await beginUpload({ ...deps, quota }, request)
    }
    await database.query(sql`
    UPDATE uploads SET expires_at = now() - interval '2 hours' WHERE user_id = ${userId}
  `)
    const away = { ...makeFragile(store), remove: () => Promise.reject(new StoreFailure('away')) }

    const swept = await expireUploads({ database, store: away }, { uploadsMax: 50 }, patient)

    t.match(swept, { expired: 15, cleared: 0 })
    t.equal(swept.failures.length, 10)
  },
)
