import { createHash, randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import { newId } from '@funmagic/contract/ids'
import type { BucketRole, Place } from '../src/asset.ts'
import { copyBytesMax, type ObjectStore } from '../src/object-store.ts'
import type { UploadRequest } from '../src/part-store.ts'

/** A store under test, and what a client outside does with its signed requests. */
export interface StoreFixture {
  readonly store: ObjectStore
  /** Sends the PUT and tells the status. */
  send(request: UploadRequest, bytes: Uint8Array): Promise<number>
  /** What the address brings, or undefined when it is refused. */
  fetch(url: string): Promise<Uint8Array | undefined>
}

const headers = {
  mimeType: 'image/png',
  cacheControl: 'private, max-age=900',
  contentDisposition: 'inline',
}
const forever = new AbortController().signal
const bytesMax = 1024 * 1024

function freshPlace(bucket: BucketRole): Place {
  return { bucket, key: `private/${newId()}/conformance/${newId()}.png` }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** The rules that every object store keeps; each store's test file runs them all. */
export async function checkObjectStore(t: Test, fixture: StoreFixture): Promise<void> {
  await t.test('what was created is found and read as it was written', t =>
    checkCreate(t, fixture.store),
  )
  await t.test('a place that is taken keeps its bytes', t => checkCreateOnce(t, fixture.store))
  await t.test('reading stops at the limit', t => checkReadLimit(t, fixture.store))
  await t.test('a copy has the bytes of the source and the headers asked for', t =>
    checkCopy(t, fixture.store),
  )
  await t.test('a copy of other bytes than expected is a failure', t =>
    checkCopyVerified(t, fixture.store),
  )
  await t.test('a copy of nothing, or one that is given up, is a failure', t =>
    checkCopyFails(t, fixture.store),
  )
  await t.test('a copy can be held to what its source is', t => checkCopyOfSource(t, fixture.store))
  await t.test('a copy that is too large for one call is refused and leaves nothing', t =>
    checkCopyLimit(t, fixture.store),
  )
  await t.test('removing is final, and removing nothing is no fault', t =>
    checkRemove(t, fixture.store),
  )
  await t.test('an opened object comes as it is, and stops when it is called off', t =>
    checkOpen(t, fixture.store),
  )
  await t.test('a listing goes on after any key, in order, each once', t =>
    checkList(t, fixture.store),
  )
  await t.test('a signed upload takes exactly the bytes that it was signed for', t =>
    checkUpload(t, fixture),
  )
  await t.test('a signed upload with other headers is refused', t => checkUploadHeaders(t, fixture))
  await t.test('a signed upload that has expired is refused', t => checkUploadExpiry(t, fixture))
  await t.test('a signed download brings the bytes and expires', t => checkDownload(t, fixture))
}

async function checkCreate(t: Test, store: ObjectStore): Promise<void> {
  const place = freshPlace('private')
  const bytes = randomBytes(10_000)

  t.equal(await store.create(place, bytes, headers), true)

  t.same(await store.find(place), { ...headers, sizeBytes: bytes.length })
  t.ok(bytes.equals((await store.read(place, { bytesMax })) ?? new Uint8Array()))
  t.equal(await store.find(freshPlace('private')), undefined)
  t.equal(await store.read(freshPlace('private'), { bytesMax }), undefined)
  await t.resolves(store.check())
}

async function checkCreateOnce(t: Test, store: ObjectStore): Promise<void> {
  const place = freshPlace('private')
  await store.create(place, Buffer.from('first'), headers)

  t.equal(await store.create(place, Buffer.from('other'), headers), false)

  t.same(await store.read(place, { bytesMax }), Buffer.from('first'))
}

async function checkReadLimit(t: Test, store: ObjectStore): Promise<void> {
  const place = freshPlace('private')
  await store.create(place, randomBytes(5_001), headers)

  await t.rejects(store.read(place, { bytesMax: 5_000 }), { code: 'PAYLOAD_TOO_LARGE' })
  t.equal((await store.read(place, { bytesMax: 5_001 }))?.length, 5_001)
}

async function checkCopy(t: Test, store: ObjectStore): Promise<void> {
  const bytes = randomBytes(10_000)
  const [from, to] = [freshPlace('private'), freshPlace('public')]
  await store.create(from, bytes, headers)
  const published = { ...headers, cacheControl: 'public, max-age=300' }
  const expected = { sizeBytes: bytes.length, sha256: sha256(bytes) }

  await store.copy({ from, to, headers: published, expected }, forever)
  await store.copy({ from, to, headers: published, expected }, forever)

  t.same(await store.find(to), { ...published, sizeBytes: bytes.length })
  t.ok(bytes.equals((await store.read(to, { bytesMax })) ?? new Uint8Array()))
  t.same(await store.find(from), { ...headers, sizeBytes: bytes.length })
}

async function checkCopyVerified(t: Test, store: ObjectStore): Promise<void> {
  const from = freshPlace('private')
  await store.create(from, Buffer.from('some bytes'), headers)
  const copyExpecting = (text: string) => {
    const bytes = Buffer.from(text)
    const expected = { sizeBytes: bytes.length, sha256: sha256(bytes) }
    return store.copy({ from, to: freshPlace('public'), headers, expected }, forever)
  }

  await t.rejects(copyExpecting('same bytes'), { code: 'UNAVAILABLE' }, 'another digest')
  await t.rejects(copyExpecting('some byte'), { code: 'UNAVAILABLE' }, 'another size')
  await t.resolves(copyExpecting('some bytes'))
}

async function checkCopyFails(t: Test, store: ObjectStore): Promise<void> {
  const from = freshPlace('private')
  const bytes = Buffer.from('bytes')
  const copy = {
    from,
    to: freshPlace('public'),
    headers,
    expected: { sizeBytes: bytes.length, sha256: sha256(bytes) },
  }

  await t.rejects(store.copy(copy, forever), { code: 'UNAVAILABLE' })
  await store.create(from, bytes, headers)
  await t.rejects(store.copy(copy, AbortSignal.abort()), { code: 'UNAVAILABLE' })
  t.equal(await store.find(copy.to), undefined)
}

async function checkCopyOfSource(t: Test, store: ObjectStore): Promise<void> {
  const [from, to, nothing] = [freshPlace('private'), freshPlace('public'), freshPlace('private')]
  const bytes = randomBytes(64)
  await store.create(from, bytes, headers)

  await store.copy({ from, to, headers, expected: 'source' }, forever)

  t.same(await store.read(to, { bytesMax }), bytes)
  const missing = store.copy({ from: nothing, to, headers, expected: 'source' }, forever)
  await t.rejects(missing, { code: 'UNAVAILABLE' })
}

async function checkCopyLimit(t: Test, store: ObjectStore): Promise<void> {
  const [from, to] = [freshPlace('private'), freshPlace('public')]
  const bytes = randomBytes(8)
  await store.create(from, bytes, headers)
  const expected = { sizeBytes: copyBytesMax + 1, sha256: sha256(bytes) }

  await t.rejects(store.copy({ from, to, headers, expected }, forever), {
    code: 'PAYLOAD_TOO_LARGE',
  })

  t.equal(await store.find(to), undefined)
}

async function checkRemove(t: Test, store: ObjectStore): Promise<void> {
  const place = freshPlace('public')
  await store.create(place, Buffer.from('bytes'), headers)

  await store.remove(place)
  await store.remove(place)

  t.equal(await store.find(place), undefined)
}

async function checkOpen(t: Test, store: ObjectStore): Promise<void> {
  const place = freshPlace('private')
  const bytes = randomBytes(300_000)
  await store.create(place, bytes, headers)
  const receive = async (signal: AbortSignal) => {
    const chunks: Uint8Array[] = []
    for await (const chunk of (await store.open(place, signal)) ?? []) chunks.push(chunk)
    return Buffer.concat(chunks)
  }

  t.ok(bytes.equals(await receive(forever)))
  t.equal(await store.open(freshPlace('private'), forever), undefined)
  await t.rejects(receive(AbortSignal.abort()), { code: 'UNAVAILABLE' })
}

async function checkList(t: Test, store: ObjectStore): Promise<void> {
  const folder = `public/shared/${newId()}`
  const names = ['-', '0', 'a.card.webp', 'a.png', 'a.thumb.webp', 'a/b', 'b', 'z_']
  const keys = names.map(name => `${folder}/${name}`).toSorted()
  for (const key of keys) await store.create({ bucket: 'public', key }, Buffer.from(key), headers)
  const listed: string[] = []
  let after = `${folder}/`
  while (listed.length < keys.length) {
    const [first, ...rest] = await store.list('public', { after, limit: 3 })
    if (first === undefined) break
    listed.push(...[first, ...rest].map(({ key }) => key))
    after = listed.at(-1) ?? ''
    t.equal(first.sizeBytes, first.key.length)
    t.ok(Math.abs(first.modifiedAt.getTime() - Date.now()) < 3_600_000)
  }

  t.same(listed.slice(0, keys.length), keys)
}

function termsFor(bytes: Uint8Array) {
  return {
    mimeType: 'image/png',
    sizeBytes: bytes.length,
    sha256: sha256(bytes),
    signedAt: new Date(),
    expiresInSeconds: 60,
  }
}

async function checkUpload(t: Test, { store, send }: StoreFixture): Promise<void> {
  const bytes = randomBytes(2_000)
  const place = freshPlace('private')
  const terms = termsFor(bytes)

  const request = await store.presignUpload(place, terms)

  t.same(await store.presignUpload(place, terms), request, 'the same terms, the same request')
  t.equal(await send(request, randomBytes(2_001)), 403, 'another length')
  t.equal(await send(request, bytes), 200)
  t.match(await store.find(place), { sizeBytes: 2_000, mimeType: 'image/png' })
  t.ok(bytes.equals((await store.read(place, { bytesMax })) ?? new Uint8Array()))
}

async function checkUploadHeaders(t: Test, { store, send }: StoreFixture): Promise<void> {
  const bytes = randomBytes(100)
  const request = await store.presignUpload(freshPlace('private'), termsFor(bytes))
  const without = (name: string) =>
    Object.fromEntries(Object.entries(request.headers).filter(([header]) => header !== name))

  const html = { ...request.headers, 'content-type': 'text/html' }
  t.equal(await send({ ...request, headers: html }, bytes), 403, 'another type')
  for (const name of ['x-amz-checksum-sha256', 'if-none-match']) {
    const sent = await send({ ...request, headers: without(name) }, bytes)
    t.equal(sent, 403, `without ${name}`)
  }
  const other = { ...request.headers, 'x-amz-checksum-sha256': sha256(bytes) }
  t.equal(await send({ ...request, headers: other }, bytes), 403, 'another checksum')
}

async function checkUploadExpiry(t: Test, { store, send }: StoreFixture): Promise<void> {
  const bytes = randomBytes(100)
  const signedAt = new Date(Date.now() - 61_000)

  const request = await store.presignUpload(freshPlace('private'), {
    ...termsFor(bytes),
    signedAt,
  })

  t.equal(await send(request, bytes), 403)
}

async function checkDownload(t: Test, { store, fetch }: StoreFixture): Promise<void> {
  const place: Place = { bucket: 'admin', key: `internal/admin/conformance/${newId()}.png` }
  await store.create(place, Buffer.from('admin bytes'), headers)

  const url = await store.presignDownload(place, { expiresInSeconds: 60 })

  t.same(await fetch(url), Buffer.from('admin bytes'))
  t.equal(await fetch(url.replace(/.$/, last => (last === '0' ? '1' : '0'))), undefined)
}
