import type { UploadTicket } from '@funmagic/contract/asset'
import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import t from 'tap'
import { addUser, call, openAssetApp, paintPng, send, ticketBody } from './asset-app.ts'

const assetApp = await openAssetApp(t)
const url = '/api/assets/uploads'
const method = 'POST'

t.test('a ticket is a PUT of exactly the declared bytes, and ends in 15 minutes', async t => {
  const user = await addUser(assetApp)
  const sha256 = 'ab'.repeat(32)

  const response = await call(assetApp, user, url, { method, body: { ...ticketBody, sha256 } })

  t.equal(response.statusCode, 201)
  const { upload } = response.json<UploadTicket>()
  t.equal(upload.method, 'PUT')
  t.match(upload.headers, {
    'content-type': 'image/png',
    'content-length': '100',
    'x-amz-checksum-sha256': Buffer.from(sha256, 'hex').toString('base64'),
  })
  const life = Date.parse(upload.expiresAt) - Date.now()
  t.ok(life > 890_000 && life <= 900_000)
})

t.test('the same Idempotency-Key brings the same reply, and another body is refused', async t => {
  const user = await addUser(assetApp)
  const how = { method, body: ticketBody, key: 'upload-1' } as const

  const first = await call(assetApp, user, url, how)
  const again = await call(assetApp, user, url, how)
  const other = await call(assetApp, user, url, { ...how, body: { ...ticketBody, sizeBytes: 7 } })

  t.equal(again.statusCode, 201)
  t.same(again.json(), first.json())
  t.match(other.json(), { error: { code: 'IDEMPOTENCY_MISMATCH' } })
  t.equal(other.statusCode, 422)
})

t.test('what a client may not decide or ask for is refused, and nothing is kept', async t => {
  const user = await addUser(assetApp)
  const cases: [object, number, string][] = [
    [{ mimeType: 'image/svg+xml' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    [{ mimeType: 'text/html' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    [{ sizeBytes: 26_214_401 }, 413, 'PAYLOAD_TOO_LARGE'],
    [{ sizeBytes: 10_000_001 }, 413, 'QUOTA_EXCEEDED'],
    [{ sizeBytes: 0 }, 400, 'VALIDATION_FAILED'],
    [{ sizeBytes: -1 }, 400, 'VALIDATION_FAILED'],
    [{ sizeBytes: '100' }, 400, 'VALIDATION_FAILED'],
    [{ sizeBytes: 1.5 }, 400, 'VALIDATION_FAILED'],
    [{ sha256: 'AB'.repeat(32) }, 400, 'VALIDATION_FAILED'],
    [{ sha256: 'ab' }, 400, 'VALIDATION_FAILED'],
    [{ module: '../x' }, 400, 'VALIDATION_FAILED'],
    [{ module: 'a/b' }, 400, 'VALIDATION_FAILED'],
    [{ module: '' }, 400, 'VALIDATION_FAILED'],
    [{ module: 'A' }, 400, 'VALIDATION_FAILED'],
    [{ filename: '' }, 400, 'VALIDATION_FAILED'],
    [{ filename: 'a.png\0.html' }, 400, 'INVALID_TEXT'],
    [{ filename: '\ud800' }, 400, 'INVALID_TEXT'],
    [{ visibility: 'public' }, 400, 'VALIDATION_FAILED'],
    [{ key: 'private/x' }, 400, 'VALIDATION_FAILED'],
    [{ storageKey: 'private/x' }, 400, 'VALIDATION_FAILED'],
    [{ userId: newId() }, 400, 'VALIDATION_FAILED'],
  ]

  for (const [change, status, code] of cases) {
    const response = await call(assetApp, user, url, { method, body: { ...ticketBody, ...change } })
    t.equal(response.statusCode, status, JSON.stringify(change))
    t.equal(response.json().error.code, code)
  }
  const { rowCount } = await assetApp.database.query(
    sql`SELECT 1 FROM uploads WHERE user_id = ${user.user.id}`,
  )
  t.equal(rowCount, 0)
})

t.test('odd names are taken, and are in no key and no header', async t => {
  const user = await addUser(assetApp)
  const names = ['../../a.png', 'CON', '\u202egnp.exe', '-rf', 'x. ', `"'\r\nx: y`, '%2e%2e']

  for (const filename of names) {
    const body = { ...ticketBody, sizeBytes: 1, filename }
    const response = await call(assetApp, user, url, { method, body, key: newId() })
    t.equal(response.statusCode, 201, JSON.stringify(filename))
    const { uploadId, upload } = response.json<UploadTicket>()
    t.notMatch(JSON.stringify(upload), filename)
    await assetApp.database.query(sql`UPDATE uploads SET state = 'expired' WHERE id = ${uploadId}`)
  }
})

t.test(
  'completing makes one asset, whose address is signed and does not hold its name',
  async t => {
    const user = await addUser(assetApp)
    const { uploadId } = await send(assetApp, user, await paintPng())

    const first = await call(assetApp, user, `${url}/${uploadId}/complete`, { method })
    const again = await call(assetApp, user, `${url}/${uploadId}/complete`, { method })

    t.same([first.statusCode, again.statusCode], [201, 200])
    t.same(again.json(), first.json())
    t.match(first.json(), {
      module: 'gallery',
      visibility: 'private',
      mimeType: 'image/png',
      width: 24,
      height: 12,
      url: /^https:\/\/private-cdn\.funmagic\.test\/private\/.*Signature=/,
      urlExpiresAt: String,
      thumbnailUrl: /\.thumb\.webp\?Expires=.*Signature=/,
      cardUrl: /\.card\.webp\?Expires=.*Signature=/,
      thumbhash: String,
      filename: 'cat.png',
      taskId: null,
      publishedAt: null,
    })
    t.notMatch(first.json().url, 'cat')
    t.notMatch(first.body, /storageKey|quarantine/)
  },
)

t.test('completing too early, too late, or for somebody else says so', async t => {
  const [user, stranger] = [await addUser(assetApp), await addUser(assetApp)]
  const created = await call(assetApp, user, url, { method, body: ticketBody })
  const { uploadId } = created.json<UploadTicket>()
  const complete = (who: typeof user, id: string) =>
    call(assetApp, who, `${url}/${id}/complete`, { method })

  const early = await complete(user, uploadId)
  const foreign = await complete(stranger, uploadId)
  const missing = await complete(stranger, newId())
  const malformed = await complete(user, 'nonsense')
  await assetApp.database.query(sql`UPDATE uploads SET expires_at = now() WHERE id = ${uploadId}`)
  const late = await complete(user, uploadId)

  const answers = [early, foreign, missing, malformed, late]
  t.same(
    answers.map(answer => [answer.statusCode, answer.json().error.code]),
    [
      [409, 'UPLOAD_INCOMPLETE'],
      [404, 'NOT_FOUND'],
      [404, 'NOT_FOUND'],
      [400, 'INVALID_ID'],
      [410, 'TICKET_EXPIRED'],
    ],
  )
})

t.test(
  'bytes that are no picture of the declared type are never an asset, and never a 500',
  async t => {
    const user = await addUser(assetApp)
    const png = await paintPng()
    const cases: [string, Uint8Array][] = [
      ['TYPE_MISMATCH', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>')],
      ['TYPE_MISMATCH', Buffer.from('GIF89a=1;alert(1)//')],
      ['IMAGE_INVALID', png.subarray(0, 60)],
      ['IMAGE_INVALID', Buffer.concat([png.subarray(0, 8), Buffer.alloc(500, 0xff)])],
    ]

    for (const [code, bytes] of cases) {
      const { uploadId } = await send(assetApp, user, bytes)
      const response = await call(assetApp, user, `${url}/${uploadId}/complete`, { method })
      t.equal(response.statusCode, 422)
      t.equal(response.json().error.code, code)
    }
    const list = await call(assetApp, user, '/api/assets')
    t.same(list.json(), { items: [], nextCursor: null })
  },
)

t.test('while the store is away tickets are given and completing may be repeated', async t => {
  const user = await addUser(assetApp)
  const { uploadId } = await send(assetApp, user, await paintPng())
  assetApp.store.failNext('find', 'before')

  const failed = await call(assetApp, user, `${url}/${uploadId}/complete`, { method })
  const repeated = await call(assetApp, user, `${url}/${uploadId}/complete`, { method })

  t.equal(failed.statusCode, 503)
  t.equal(failed.headers['retry-after'], '2')
  t.equal(repeated.statusCode, 201)
})
