import { StoreFailure, type ObjectStore } from '@funmagic/asset/object-store'
import { openMemoryObjectStore } from '@funmagic/asset/testing'
import { sql } from '@funmagic/database/sql'
import t from 'tap'
import { addUser, call, openAssetApp, paintPng, ticketBody } from './asset-app.ts'

const memory = openMemoryObjectStore()
const method = 'POST'

/** How the next read of quarantined bytes ends. */
const breaks: Readonly<Record<string, (bytes: Uint8Array) => Uint8Array>> = {
  'broken off in the middle': () => {
    throw new StoreFailure(new Error('socket hang up after 40 bytes'))
  },
  truncated: bytes => bytes.subarray(0, bytes.length / 2),
  empty: () => new Uint8Array(),
  'of the right length, with other bytes': bytes => bytes.with(bytes.length - 1, 0),
  'longer than was promised': bytes => Buffer.concat([bytes, bytes]),
}
let breakNext: ((bytes: Uint8Array) => Uint8Array) | undefined

const objectStore: ObjectStore = {
  check: () => memory.check(),
  find: place => memory.find(place),
  open: (place, signal) => memory.open(place, signal),
  list: (bucket, range) => memory.list(bucket, range),
  create: (place, bytes, headers) => memory.create(place, bytes, headers),
  copy: (copy, signal) => memory.copy(copy, signal),
  remove: place => memory.remove(place),
  presignUpload: (place, terms) => memory.presignUpload(place, terms),
  presignDownload: (place, terms) => memory.presignDownload(place, terms),
  parts: memory.parts,
  close: () => memory.close(),
  async read(place, limits) {
    const bytes = await memory.read(place, limits)
    const broken = breakNext
    breakNext = undefined
    return bytes && broken ? broken(bytes) : bytes
  },
}
const assetApp = await openAssetApp(t, { objectStore })

for (const [how, change] of Object.entries(breaks)) {
  t.test(`a read that is ${how} makes no asset, and a repeat does`, async t => {
    const user = await addUser(assetApp)
    const bytes = await paintPng()
    const sha256 = Buffer.from(await crypto.subtle.digest('SHA-256', bytes)).toString('hex')
    const body = { ...ticketBody, sizeBytes: bytes.length, sha256 }
    const ticket = (await call(assetApp, user, '/api/assets/uploads', { method, body })).json()
    await memory.send(ticket.upload, bytes)
    const url = `/api/assets/uploads/${ticket.uploadId}/complete`
    breakNext = change

    const broken = await call(assetApp, user, url, { method })
    const { rowCount } = await assetApp.database.query(
      sql`SELECT 1 FROM assets WHERE user_id = ${user.user.id}`,
    )
    const stored = memory.places.filter(place => place.includes(user.user.id))
    const again = await call(assetApp, user, url, { method })

    const expected = how.startsWith('broken') ? 'UNAVAILABLE' : 'CHECKSUM_MISMATCH'
    t.equal(broken.json().error.code, expected)
    t.same([rowCount, stored], [0, []], 'no row and no bytes')
    t.equal(again.statusCode, 201)
  })
}
