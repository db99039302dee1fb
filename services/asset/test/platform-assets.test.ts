import type { UploadProgress, UploadTicket } from '@funmagic/contract/asset'
import { newId } from '@funmagic/contract/ids'
import type { PlatformAssetView } from '@funmagic/contract/platform-asset'
import { listAdminEvents } from '@funmagic/session/admin-events'
import { createTestUser, type TestUser } from '@funmagic/session/testing'
import t from 'tap'
import { addUser, call, cdnUrl, openAssetApp, paintPng, upload } from './asset-app.ts'

const assetApp = await openAssetApp(t)
const { database, memory } = assetApp
const admin = await createTestUser(database, { role: 'admin' })
const superAdmin = await createTestUser(database, { role: 'super_admin' })
const url = '/api/admin/assets'
const method = 'POST'
const picture = await paintPng()
const file = { filename: 'sale.png', mimeType: 'image/png', sizeBytes: picture.length }
const opsBody = { ...file, destination: 'ops', module: 'banners' }
const auditBody = { ...file, destination: 'audit', auditType: 'moderation' }

async function begin(who: TestUser, body: object): Promise<UploadTicket> {
  const reply = await call(assetApp, who, `${url}/uploads`, { method, body })
  if (reply.statusCode !== 201) throw new Error(`no ticket: ${reply.body}`)
  return reply.json<UploadTicket>()
}

const complete = (who: TestUser, { uploadId }: UploadTicket) =>
  call(assetApp, who, `${url}/uploads/${uploadId}/complete`, { method })

async function add(who: TestUser, body: object): Promise<PlatformAssetView> {
  const ticket = await begin(who, body)
  await memory.send(ticket.upload, picture)
  return (await complete(who, ticket)).json<PlatformAssetView>()
}

const read = async (who: TestUser, id: string) =>
  (await call(assetApp, who, `${url}/${id}`)).json<PlatformAssetView>()

t.test('an ops file is at the CDN for everybody, and a repeat finds it', async t => {
  const ticket = await begin(admin, opsBody)
  const early = await complete(admin, ticket)
  await memory.send(ticket.upload, picture)

  const completed = await complete(admin, ticket)
  const again = await complete(admin, ticket)

  const view = completed.json<PlatformAssetView>()
  t.equal(early.json().error.code, 'UPLOAD_INCOMPLETE')
  t.same([completed.statusCode, again.statusCode], [201, 200])
  t.same(again.json(), view)
  t.match(view, {
    url: `${cdnUrl}/public/ops/banners/${view.id}.png`,
    urlExpiresAt: null,
    thumbnailUrl: `${cdnUrl}/public/ops/banners/${view.id}.thumb.webp`,
    destination: 'ops',
    module: 'banners',
    auditType: null,
    visibility: 'public',
    createdBy: admin.user.id,
  })
  t.same(await read(superAdmin, view.id), view)
})

t.test('an audit file has an address for five minutes, for others only with a reason', async t => {
  const { id } = await add(admin, auditBody)
  const reason = 'Asked for by counsel'

  const own = await read(admin, id)
  const others = await read(superAdmin, id)
  const listed = await call(assetApp, admin, `${url}?auditType=moderation`)
  const told = await call(assetApp, superAdmin, `${url}/${id}/read`, { method, body: { reason } })
  const untold = await call(assetApp, superAdmin, `${url}/${id}/read`, { method, body: {} })

  t.ok(await memory.fetch(own.url ?? ''))
  t.ok(Date.parse(own.urlExpiresAt ?? '') - Date.now() <= 300_000)
  t.match(own, { destination: 'audit', module: null, auditType: 'moderation' })
  t.match(others, { id, url: null, thumbnailUrl: null, cardUrl: null, urlExpiresAt: null })
  t.match(listed.json(), { items: [{ id, url: null }], nextCursor: null })
  t.ok(await memory.fetch(told.json().url))
  t.equal(untold.statusCode, 400)
})

t.test(
  'users are refused at every door of administrators, before anything is looked at',
  async t => {
    const user = await addUser(assetApp)
    const { id } = await add(admin, opsBody)
    const { uploadId } = await begin(admin, opsBody)
    const doors = [
      ['GET', ''],
      ['GET', '?limit=nonsense'],
      ['GET', `/${id}`],
      ['DELETE', `/${id}`],
      ['POST', '/uploads'],
      ['GET', `/uploads/${uploadId}`],
      ['DELETE', `/uploads/${uploadId}`],
      ['POST', `/uploads/${uploadId}/complete`],
      ['POST', `/uploads/${uploadId}/sign`],
      ['POST', `/uploads/${uploadId}/parts`],
      ['POST', '/uploads/nonsense/parts'],
    ] as const

    for (const [how, path] of doors) {
      const refused = await call(assetApp, user, `${url}${path}`, { method: how })
      const anonymous = await call(assetApp, undefined, `${url}${path}`, { method: how })
      t.same([refused.statusCode, anonymous.statusCode], [403, 401], `${how} ${path}`)
    }
  },
)

t.test(
  'on the routes of users a file of the platform is not there, for its uploader too',
  async t => {
    for (const body of [opsBody, auditBody]) {
      const { id } = await add(admin, body)
      const routes = [
        ['GET', ''],
        ['DELETE', ''],
        ['GET', '/events'],
        ['POST', '/publish'],
        ['POST', '/unpublish'],
      ] as const
      for (const [how, path] of routes) {
        const reply = await call(assetApp, admin, `/api/assets/${id}${path}`, { method: how })
        t.equal(reply.statusCode, 404, `${how} ${path}`)
      }
      const ask = (path: string) =>
        call(assetApp, admin, `/api/assets/${path}`, { method, body: { ids: [id] } })
      t.match((await ask('resolve')).json(), { items: [], missing: [id] })
      t.match((await ask('delete')).json(), { items: [{ id, outcome: 'missing' }] })
      const zip = await call(assetApp, admin, `/api/assets/download?ids=${id}`)
      t.equal(zip.statusCode, 404)
      t.equal((await call(assetApp, undefined, `/api/assets/shared/${id}`)).statusCode, 404)
      t.equal((await call(assetApp, admin, `${url}/${id}`)).statusCode, 200, 'and nothing happened')
    }
    t.same((await call(assetApp, admin, '/api/assets')).json().items, [])
    t.same((await call(assetApp, undefined, '/api/assets/shared')).json().items, [])
  },
)

t.test('tickets of users and of the platform do not meet', async t => {
  const platforms = await begin(admin, opsBody)
  const own = await call(assetApp, admin, '/api/assets/uploads', {
    method,
    body: { ...file, module: 'gallery' },
  })
  const pairs = [
    ['/api/assets/uploads', platforms.uploadId],
    [`${url}/uploads`, own.json<UploadTicket>().uploadId],
  ] as const

  for (const [path, uploadId] of pairs) {
    for (const operation of ['complete', 'sign', 'parts']) {
      const body = operation === 'parts' ? { partNumbers: [1] } : undefined
      const reply = await call(assetApp, admin, `${path}/${uploadId}/${operation}`, {
        method,
        body,
      })
      t.equal(reply.statusCode, 404, `${path} ${operation}`)
    }
    for (const how of ['GET', 'DELETE'] as const) {
      const reply = await call(assetApp, admin, `${path}/${uploadId}`, { method: how })
      t.equal(reply.statusCode, 404, `${how} ${path}`)
    }
  }
  const foreign = await call(assetApp, superAdmin, `${url}/uploads/${platforms.uploadId}`)
  t.equal(foreign.statusCode, 404, 'nor do those of two administrators')
})

t.test('a large file for the platform goes in parts, is signed again and canceled', async t => {
  const sizeBytes = 9 * 1024 * 1024
  const ticket = await begin(superAdmin, { ...opsBody, sizeBytes })
  const at = `${url}/uploads/${ticket.uploadId}`

  const signed = await call(assetApp, superAdmin, `${at}/sign`, { method })
  const parts = await call(assetApp, superAdmin, `${at}/parts`, {
    method,
    body: { partNumbers: [1, 2] },
  })
  const progress = await call(assetApp, superAdmin, at)
  const canceled = await call(assetApp, superAdmin, at, { method: 'DELETE' })

  t.match(ticket, { multipart: { partsCount: 2 } })
  t.match(signed.json(), { uploadId: ticket.uploadId })
  t.match(parts.json(), { parts: [{ partNumber: 1 }, { partNumber: 2 }] })
  t.match(progress.json<UploadProgress>(), { state: 'pending', sizeBytes })
  t.equal(canceled.statusCode, 204)
  const limits = await call(assetApp, superAdmin, '/api/assets/limits')
  t.match(limits.json(), { quota: { usedBytes: 0 }, tickets: { open: 0 } })
})

t.test('a deleted file is gone, and the audit says who made and deleted it', async t => {
  const { id, sha256 } = await add(admin, opsBody)

  const first = await call(assetApp, superAdmin, `${url}/${id}`, { method: 'DELETE' })
  const again = await call(assetApp, superAdmin, `${url}/${id}`, { method: 'DELETE' })

  t.same([first.statusCode, again.statusCode], [204, 404])
  t.notOk(memory.places.some(place => place.includes(`banners/${id}`)))
  const filter = { subjectType: 'asset', subjectId: id } as const
  const audit = await listAdminEvents(database, filter, { limit: 10, beforeId: undefined })
  t.match(audit.items, [
    { action: 'asset.deleted', actorId: superAdmin.user.id, before: { sha256 } },
    { action: 'asset.created', actorId: admin.user.id, after: { sha256 } },
  ])
})

t.test('the same Idempotency-Key brings the same ticket, and another request is told', async t => {
  const key = newId()
  const ask = (body: object) => call(assetApp, admin, `${url}/uploads`, { method, body, key })

  const [first, again] = [await ask(opsBody), await ask(opsBody)]
  const other = await ask({ ...opsBody, module: 'covers' })
  const elsewhere = await call(assetApp, admin, '/api/assets/uploads', {
    method,
    body: { ...file, module: 'banners' },
    key,
  })

  t.same(again.json(), first.json())
  t.equal(other.json().error.code, 'IDEMPOTENCY_MISMATCH')
  t.equal(elsewhere.json().error.code, 'IDEMPOTENCY_MISMATCH')
})

t.test('files of users are not among the platform’s', async t => {
  const user = await addUser(assetApp)
  const { id } = await upload(assetApp, user)

  t.equal((await call(assetApp, superAdmin, `${url}/${id}`)).statusCode, 404)
  const deleted = await call(assetApp, superAdmin, `${url}/${id}`, { method: 'DELETE' })
  t.equal(deleted.statusCode, 404)
  t.equal((await call(assetApp, user, `/api/assets/${id}`)).statusCode, 200)
})

t.test('what makes no sense is told, and never a 500', async t => {
  const bodies = [
    {},
    { ...opsBody, destination: 'user' },
    { ...opsBody, destination: 'public' },
    { ...opsBody, module: undefined },
    { ...opsBody, auditType: 'moderation' },
    { ...auditBody, auditType: undefined },
    { ...auditBody, module: 'banners' },
    { ...opsBody, module: 'api' },
    { ...opsBody, module: '../api' },
    { ...opsBody, module: 'a/b' },
    { ...auditBody, auditType: 'A' },
    { ...opsBody, visibility: 'public' },
    { ...opsBody, key: 'public/ops/api/x.html' },
    { ...opsBody, sizeBytes: 0 },
    [],
    'nonsense',
  ]
  for (const body of bodies) {
    const reply = await call(assetApp, admin, `${url}/uploads`, { method, body })
    t.equal(reply.json().error.code, 'VALIDATION_FAILED', JSON.stringify(body))
  }
  const html = await call(assetApp, admin, `${url}/uploads`, {
    method,
    body: { ...opsBody, mimeType: 'text/html' },
  })
  t.equal(html.statusCode, 415)
  for (const query of [
    'destination=user',
    'destination=ops&auditType=x',
    'destination=audit&module=x',
    'module=x&auditType=y',
    'module=../x',
    'limit=0',
    'cursor=nonsense',
    'q=x',
  ]) {
    const reply = await call(assetApp, admin, `${url}?${query}`)
    t.equal(reply.statusCode, 400, query)
  }
  for (const how of ['GET', 'DELETE'] as const) {
    const reply = await call(assetApp, admin, `${url}/nonsense`, { method: how })
    t.equal(reply.json().error.code, 'INVALID_ID')
  }
})
