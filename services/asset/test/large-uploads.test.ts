import { randomBytes } from 'node:crypto'
import { findUsageDrift } from '@funmagic/asset/usage'
import type {
  AssetView,
  UploadLimits,
  UploadParts,
  UploadProgress,
  UploadTicket,
} from '@funmagic/contract/asset'
import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import type { TestUser } from '@funmagic/session/testing'
import t from 'tap'
import { sweep } from '../src/jobs/sweep.ts'
import { addUser, call, openAssetApp, paintPng, ticketBody } from './asset-app.ts'
import { openOwnObjectStore } from './own-object-store.ts'

const s3 = await openOwnObjectStore(t)
const assetApp = await openAssetApp(t, { objectStore: s3 })
const url = '/api/assets/uploads'
const method = 'POST'
const patient = new AbortController().signal
const largeBytes = 9 * 1024 * 1024

/** A picture with a tail, which makes it large without taking long to decode. */
async function paintLarge(): Promise<Uint8Array> {
  const png = await paintPng()
  return Buffer.concat([png, randomBytes(largeBytes - png.length)])
}

async function begin(user: TestUser): Promise<UploadTicket> {
  const body = { ...ticketBody, sizeBytes: largeBytes }
  return (await call(assetApp, user, url, { method, body })).json<UploadTicket>()
}

async function put(
  request: { url: string; headers: Record<string, string> },
  bytes: Uint8Array,
): Promise<number> {
  const headers = { ...request.headers, 'content-length': String(bytes.length) }
  const reply = await fetch(request.url, { method: 'PUT', headers, body: new Uint8Array(bytes) })
  await reply.arrayBuffer()
  return reply.status
}

async function sendParts(
  user: TestUser,
  {
    ticket,
    bytes,
    partNumbers,
  }: { ticket: UploadTicket; bytes: Uint8Array; partNumbers: number[] },
): Promise<number[]> {
  const signed = await call(assetApp, user, `${url}/${ticket.uploadId}/parts`, {
    method,
    body: { partNumbers },
  })
  const partSizeBytes = ticket.multipart?.partSizeBytes ?? 0
  const statuses: number[] = []
  for (const part of signed.json<UploadParts>().parts) {
    const start = (part.partNumber - 1) * partSizeBytes
    statuses.push(await put(part, bytes.subarray(start, start + part.sizeBytes)))
  }
  return statuses
}

const complete = (user: TestUser, { uploadId }: UploadTicket) =>
  call(assetApp, user, `${url}/${uploadId}/complete`, { method })

const readProgress = async (user: TestUser, { uploadId }: UploadTicket) =>
  (await call(assetApp, user, `${url}/${uploadId}`)).json<UploadProgress>()

t.test('a large file goes on with the parts that are missing, and is checked as any', async t => {
  const user = await addUser(assetApp)
  const bytes = await paintLarge()
  const ticket = await begin(user)

  const early = await complete(user, ticket)
  const first = await sendParts(user, { ticket, bytes, partNumbers: [2] })
  const incomplete = await complete(user, ticket)
  const progress = await readProgress(user, ticket)
  const missing = progress.parts.filter(({ isSent }) => !isSent).map(part => part.partNumber)
  const rest = await sendParts(user, { ticket, bytes, partNumbers: missing })
  const completed = await complete(user, ticket)
  const again = await complete(user, ticket)

  t.match(ticket, { upload: { method: 'PUT' }, multipart: { partsCount: 2 } })
  t.equal(early.json().error.code, 'UPLOAD_INCOMPLETE')
  t.same([first, missing, rest], [[200], [1], [200]])
  t.match(incomplete.json(), {
    error: { code: 'UPLOAD_INCOMPLETE', details: { missingParts: [1], suggestion: String } },
  })
  t.same([completed.statusCode, again.statusCode], [201, 200])
  t.match(completed.json(), { width: 24, height: 12, mimeType: 'image/png' })
  t.ok(completed.json<AssetView>().sizeBytes < 10_000, 'the tail is gone')
  t.match(await readProgress(user, ticket), { state: 'completed' })
})

t.test('a large file may also be sent by the one PUT, and its address signed again', async t => {
  const user = await addUser(assetApp)
  const bytes = await paintLarge()
  const ticket = await begin(user)

  const signed = await call(assetApp, user, `${url}/${ticket.uploadId}/sign`, { method })
  const status = await put(signed.json<UploadTicket>().upload, bytes)
  const completed = await complete(user, ticket)
  const late = await call(assetApp, user, `${url}/${ticket.uploadId}/sign`, { method })
  const parts = await call(assetApp, user, `${url}/${ticket.uploadId}/parts`, {
    method,
    body: { partNumbers: [1] },
  })

  t.same([signed.statusCode, status, completed.statusCode], [200, 200, 201])
  t.match(
    [late.json(), parts.json()],
    [{ error: { code: 'CONFLICT' } }, { error: { code: 'CONFLICT' } }],
  )
})

t.test('canceling returns the quota at once, and the sweeper leaves no part behind', async t => {
  const user = await addUser(assetApp)
  const bytes = await paintLarge()
  const ticket = await begin(user)
  const place = { bucket: 'private', key: `quarantine/${ticket.uploadId}` } as const
  const orphan = await s3.parts.begin(place, { mimeType: 'image/png' })
  const limits = async () => (await call(assetApp, user, '/api/assets/limits')).json<UploadLimits>()
  await sendParts(user, { ticket, bytes, partNumbers: [1] })

  const before = await limits()
  const canceled = await call(assetApp, user, `${url}/${ticket.uploadId}`, { method: 'DELETE' })
  const again = await call(assetApp, user, `${url}/${ticket.uploadId}`, { method: 'DELETE' })
  const after = await limits()
  const completed = await complete(user, ticket)

  t.same([before.quota.usedBytes, before.tickets.open], [largeBytes, 1])
  t.same([canceled.statusCode, again.statusCode], [204, 204])
  t.same([after.quota.usedBytes, after.tickets.open], [0, 0])
  t.equal(completed.json().error.code, 'TICKET_EXPIRED')
  t.equal(await s3.parts.list(place, orphan), undefined)
})

t.test('parts that nobody completes are removed after their ticket has ended', async t => {
  const user = await addUser(assetApp)
  const ticket = await begin(user)
  const place = { bucket: 'private', key: `quarantine/${ticket.uploadId}` } as const
  await sendParts(user, { ticket, bytes: await paintLarge(), partNumbers: [1, 2] })
  const { database, events, checks } = assetApp
  const { rows } = await database.query<{ id: string }>(sql`
    UPDATE uploads SET expires_at = now() - interval '2 hours' WHERE id = ${ticket.uploadId}
    RETURNING multipart_id AS id`)

  await sweep({ database, store: s3, events, checks, cdn: undefined }, patient)

  t.equal(await s3.parts.list(place, rows[0]?.id ?? ''), undefined)
  t.same(await findUsageDrift(database, { usersMax: 1 }), [])
})

t.test('what cannot be asked of parts is refused, and never a 500', async t => {
  const [user, stranger] = [await addUser(assetApp), await addUser(assetApp)]
  const ticket = await begin(user)
  const small = await call(assetApp, user, url, { method, body: ticketBody })
  const ask = async (who: TestUser, uploadId: string, partNumbers: unknown) => {
    const reply = await call(assetApp, who, `${url}/${uploadId}/parts`, {
      method,
      body: { partNumbers },
    })
    return [reply.statusCode, reply.json().error?.code]
  }
  const cases: [number, string, TestUser, string, unknown][] = [
    [404, 'NOT_FOUND', stranger, ticket.uploadId, [1]],
    [404, 'NOT_FOUND', user, newId(), [1]],
    [400, 'INVALID_ID', user, 'nonsense', [1]],
    [409, 'CONFLICT', user, small.json<UploadTicket>().uploadId, [1]],
    [400, 'VALIDATION_FAILED', user, ticket.uploadId, [3]],
    [400, 'VALIDATION_FAILED', user, ticket.uploadId, [0]],
    [400, 'VALIDATION_FAILED', user, ticket.uploadId, []],
    [400, 'VALIDATION_FAILED', user, ticket.uploadId, [1, 1]],
    [400, 'VALIDATION_FAILED', user, ticket.uploadId, [1, 2, 3, 4, 5]],
    [400, 'VALIDATION_FAILED', user, ticket.uploadId, ['1']],
    [400, 'VALIDATION_FAILED', user, ticket.uploadId, 1],
  ]

  for (const [status, code, who, uploadId, partNumbers] of cases) {
    t.same(await ask(who, uploadId, partNumbers), [status, code], JSON.stringify(partNumbers))
  }
  for (const [how, path] of [
    ['GET', ''],
    ['DELETE', ''],
    ['POST', '/sign'],
  ] as const) {
    const foreign = await call(assetApp, stranger, `${url}/${ticket.uploadId}${path}`, {
      method: how,
    })
    t.equal(foreign.statusCode, 404, `${how} ${path}`)
  }
})

t.test('limits are told before a file is chosen', async t => {
  const user = await addUser(assetApp)

  const limits = await call(assetApp, user, '/api/assets/limits')
  const anonymous = await call(assetApp, undefined, '/api/assets/limits')

  t.equal(anonymous.statusCode, 401)
  t.match(limits.json(), {
    tier: { name: 'free', multiplier: 1 },
    mimeTypes: ['image/jpeg', 'image/png', 'image/webp', 'image/gif'],
    bytesMax: 25 * 1024 * 1024,
    picture: { pixelsMax: 40_000_000, ratioMax: 100, framesMax: 500 },
    quota: { usedBytes: 0, leftBytes: limits.json<UploadLimits>().quota.bytesMax },
    tickets: { open: 0, openMax: 5 },
    multipart: { fromBytes: 8 * 1024 * 1024, partSizeBytes: 5 * 1024 * 1024 },
  })
})
