import { claimGif, claimPng } from '@funmagic/asset/odd-pictures'
import type { ObjectStore } from '@funmagic/asset/object-store'
import { paint } from '@funmagic/asset/testing'
import type { AssetView, UploadTicket } from '@funmagic/contract/asset'
import { sql } from '@funmagic/database/sql'
import type { TestUser } from '@funmagic/session/testing'
import t from 'tap'
import { addUser, call, openAssetApp, ticketBody } from './asset-app.ts'
import { openOwnObjectStore } from './own-object-store.ts'

// Reliability §4, "Upload bytes": each row of the catalogue over HTTP, with an S3 that is as strict
// as the real one.
const s3 = await openOwnObjectStore(t)
const assetApp = await openAssetApp(t, { objectStore: s3 })
const url = '/api/assets/uploads'
const method = 'POST'
const rssGrowthMaxBytes = 64 * 1024 * 1024

async function begin(user: TestUser, sizeBytes: number, mimeType: string): Promise<UploadTicket> {
  const body = { ...ticketBody, sizeBytes, mimeType }
  return (await call(assetApp, user, url, { method, body })).json<UploadTicket>()
}

async function put(
  ticket: UploadTicket,
  bytes: Uint8Array,
  change: Record<string, string> = {},
): Promise<number> {
  const headers = {
    ...ticket.upload.headers,
    'content-length': String(bytes.length),
    ...change,
  }
  const body = new Uint8Array(bytes)
  const reply = await fetch(ticket.upload.url, { method: 'PUT', headers, body })
  await reply.arrayBuffer()
  return reply.status
}

async function complete(user: TestUser, { uploadId }: UploadTicket): Promise<[number, unknown]> {
  const reply = await call(assetApp, user, `${url}/${uploadId}/complete`, { method })
  return [reply.statusCode, reply.json()]
}

async function tryBytes(mimeType: string, bytes: Uint8Array): Promise<[number, unknown]> {
  const user = await addUser(assetApp)
  const ticket = await begin(user, bytes.length, mimeType)
  await put(ticket, bytes)
  return complete(user, ticket)
}

/** The bytes at the key that the asset's address names. */
async function readStored(store: ObjectStore, asset: AssetView): Promise<Buffer> {
  const key = new URL(asset.url).pathname.slice(1)
  const stored = await store.read({ bucket: 'private', key }, { bytesMax: 10_000_000 })
  return Buffer.from(stored ?? new Uint8Array())
}

t.test('S3 takes only what the ticket says, and only once', async t => {
  const user = await addUser(assetApp)
  const png = await paint('image/png')
  const ticket = await begin(user, png.length, 'image/png')
  const other = { ...ticket, upload: { ...ticket.upload } }
  const otherId = ticket.uploadId.replace(/.$/, last => (last === 'f' ? 'e' : 'f'))
  other.upload.url = other.upload.url.replace(ticket.uploadId, otherId)

  t.equal(await put(ticket, Buffer.concat([png, Buffer.from('x')])), 403, 'another size')
  t.equal(await put(ticket, png, { 'content-type': 'text/html' }), 403, 'another type')
  t.equal(await put(other, png), 403, 'another key')
  t.equal(await put(ticket, png), 200)
  t.equal(await put(ticket, png), 412, 'a second time')
})

t.test('a PUT that is replayed after the end changes no byte of the asset', async t => {
  const user = await addUser(assetApp)
  const png = await paint('image/png')
  const html = Buffer.alloc(png.length, '<script>alert(1)</script>')
  const ticket = await begin(user, png.length, 'image/png')
  await put(ticket, png)
  const [, asset] = (await complete(user, ticket)) as [number, AssetView]
  const before = await readStored(s3, asset)

  await s3.remove({ bucket: 'private', key: `quarantine/${ticket.uploadId}` })
  const replayed = await put(ticket, html)

  t.equal(replayed, 200, 'it lands in quarantine')
  t.ok(before.equals(await readStored(s3, asset)))
  t.match(await complete(user, ticket), [200, { id: asset.id, sha256: asset.sha256 }])
})

t.test('bytes of no type of ours are refused, whatever they are called', async t => {
  const cases: Record<string, Uint8Array> = {
    svg: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'),
    html: Buffer.from('<!doctype html><script>alert(1)</script>'),
    pdf: Buffer.from('%PDF-1.7\n1 0 obj'),
    tiff: Buffer.from('II*\0\x08\0\0\0\0\0'),
    heic: Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic'),
    ico: Buffer.from('\0\0\x01\0\x01\0\x10\x10'),
    'a zip': Buffer.from('PK\x03\x04'),
    'another picture': await paint('image/webp'),
    php: Buffer.from('<?php system($_GET[0]) ?>'),
  }

  for (const [name, bytes] of Object.entries(cases)) {
    t.match(await tryBytes('image/png', bytes), [422, { error: { code: 'TYPE_MISMATCH' } }], name)
  }
})

t.test('what a second format hides in a picture is gone from what is stored', async t => {
  const tails = {
    'GIF and JavaScript': ['image/gif', '*/=1;alert(document.domain)//'],
    'PNG and HTML': ['image/png', '<html><script>alert(1)</script>'],
    'JPEG and PHP': ['image/jpeg', '<?php system("id") ?>'],
    'GIF and JAR': ['image/gif', 'PK\x03\x04META-INF/MANIFEST.MF'],
    'WebP and ZIP': ['image/webp', 'PK\x05\x06secret'],
  } as const

  for (const [name, [mimeType, tail]] of Object.entries(tails)) {
    const bytes = Buffer.concat([await paint(mimeType), Buffer.from(tail)])
    const [status, asset] = (await tryBytes(mimeType, bytes)) as [number, AssetView]
    t.equal(status, 201, name)
    t.notOk((await readStored(s3, asset)).includes(tail), name)
  }
})

t.test('bombs and broken pictures are refused in little memory', async t => {
  const png = Buffer.from(await paint('image/png', { width: 300, height: 300 }))
  const flipped = Buffer.from(png)
  flipped.writeUInt8(flipped.readUInt8(60) ^ 0xff, 60)
  const jpeg = await paint('image/jpeg', { width: 300, height: 300 })
  const cases: Record<string, [string, string, Uint8Array]> = {
    '65 535 squared': ['IMAGE_TOO_LARGE', 'image/png', claimPng(65_535, 65_535)],
    'beyond 40 million pixels': ['IMAGE_TOO_LARGE', 'image/png', claimPng(8_000, 5_001)],
    'twenty thousand frames': ['IMAGE_TOO_LARGE', 'image/gif', claimGif(20_000)],
    'ten thousand to one': ['IMAGE_TOO_LARGE', 'image/png', claimPng(10_000, 1)],
    'one by a million': ['IMAGE_TOO_LARGE', 'image/png', claimPng(1, 1_000_000)],
    'no width': ['IMAGE_INVALID', 'image/png', claimPng(0, 10)],
    'no height': ['IMAGE_INVALID', 'image/png', claimPng(10, 0)],
    'cut off': ['IMAGE_INVALID', 'image/png', png.subarray(0, 200)],
    'a wrong CRC': ['IMAGE_INVALID', 'image/png', flipped],
    'half a JPEG': ['IMAGE_INVALID', 'image/jpeg', jpeg.subarray(0, jpeg.length / 2)],
    'fewer pixels than said': ['IMAGE_INVALID', 'image/png', claimPng(1_000, 1_000)],
  }
  const rssBefore = process.memoryUsage().rss

  for (const [name, [code, mimeType, bytes]] of Object.entries(cases)) {
    t.match(await tryBytes(mimeType, bytes), [422, { error: { code } }], name)
  }

  t.ok(process.memoryUsage().rss - rssBefore < rssGrowthMaxBytes)
})

t.test('a completion is refused before the bytes, after the end and to others', async t => {
  const [user, stranger] = [await addUser(assetApp), await addUser(assetApp)]
  const png = await paint('image/png')
  const ticket = await begin(user, png.length, 'image/png')

  const early = await complete(user, ticket)
  await put(ticket, png)
  const foreign = await complete(stranger, ticket)
  await assetApp.database.query(sql`
    UPDATE uploads SET expires_at = now() WHERE id = ${ticket.uploadId}`)
  const late = await complete(user, ticket)

  t.match(early, [409, { error: { code: 'UPLOAD_INCOMPLETE' } }])
  t.match(foreign, [404, { error: { code: 'NOT_FOUND' } }])
  t.match(late, [410, { error: { code: 'TICKET_EXPIRED' } }])
})

t.test('what is stored has headers of ours in every size', async t => {
  const user = await addUser(assetApp)
  const png = await paint('image/png')
  const ticket = await begin(user, png.length, 'image/png')
  await put(ticket, png)
  const [, asset] = (await complete(user, ticket)) as [number, AssetView]

  for (const [address, mimeType] of [
    [asset.url, 'image/png'],
    [asset.thumbnailUrl, 'image/webp'],
    [asset.cardUrl, 'image/webp'],
  ] as const) {
    const key = new URL(address ?? '').pathname.slice(1)
    t.match(await s3.find({ bucket: 'private', key }), {
      mimeType,
      cacheControl: 'private, max-age=900',
      contentDisposition: 'inline',
    })
  }
})
