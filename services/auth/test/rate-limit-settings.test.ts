import { rateLimitDefaults } from '@funmagic/contract/rate-limit'
import { createTestUser } from '@funmagic/session/testing'
import t from 'tap'
import { startAuthApp } from './auth-app.ts'

const { app, database, redis } = await startAuthApp(t)
const owner = await createTestUser(database, { role: 'super_admin' })
const admin = await createTestUser(database, { role: 'admin' })

function get(path: string, { cookie }: { cookie: string }) {
  return app.inject({ url: `/api/admin/${path}`, headers: { cookie } })
}

function put(body: object, { cookie }: { cookie: string }) {
  return app.inject({
    method: 'PUT',
    url: '/api/admin/settings',
    headers: { cookie },
    payload: body,
  })
}

function limitsWith(changes: object) {
  return { ...rateLimitDefaults, limits: { ...rateLimitDefaults.limits, ...changes } }
}

t.test('an admin reads the limits, and only a super_admin writes them', async t => {
  const read = await get('settings', admin)
  const { version } = read.json()

  t.match(read.json(), { rateLimits: rateLimitDefaults, version: 1 })
  t.equal((await put({ rateLimits: rateLimitDefaults, version }, admin)).statusCode, 403)
})

t.test('what is written holds at once, and the cached limits are gone', async t => {
  const { version } = (await get('settings', owner)).json()
  await redis.set('rate_limit_settings', JSON.stringify(rateLimitDefaults))
  const rateLimits = limitsWith({ taskCreation: { max: 11 } })

  const written = await put({ rateLimits, version, reason: 'busier' }, owner)

  t.match(written.json(), { rateLimits: { limits: { taskCreation: { max: 11 } } } })
  t.equal(written.json().version, version + 1)
  t.equal(written.headers['etag'], `"${version + 1}"`)
  t.equal(await redis.get('rate_limit_settings'), null)
  const stale = await put({ rateLimits, version }, owner)
  t.equal(stale.json().error.code, 'VERSION_CONFLICT')
})

t.test('the audit tells who changed what and why, to a super_admin alone', async t => {
  const { version } = (await get('settings', owner)).json()
  const rateLimits = limitsWith({ upload: { max: 31 } })
  await put({ rateLimits, version, reason: 'more uploads' }, owner)

  const { items } = (await get('events?subjectType=settings&limit=1', owner)).json()

  t.match(items, [
    {
      actorId: owner.user.id,
      actorRole: 'super_admin',
      action: 'settings.updated',
      before: { version },
      after: { rateLimits: { limits: { upload: { max: 31 } } } },
      reason: 'more uploads',
    },
  ])
  t.equal((await get('events', admin)).statusCode, 403)
  t.equal((await get('events?cursor=x', owner)).json().error.code, 'INVALID_CURSOR')
  t.equal((await get('events?subjectType=x', owner)).statusCode, 400)
})

t.test('limits that nobody could work with are refused with their place', async t => {
  const { version } = (await get('settings', owner)).json()
  const tier = { name: 'a', minPurchased: 0, multiplier: 1 }
  const rows: [object, string][] = [
    [limitsWith({ globalApi: { max: 0 } }), '/rateLimits/limits/globalApi/max'],
    [limitsWith({ globalApi: { max: 1.5 } }), '/rateLimits/limits/globalApi/max'],
    [limitsWith({ globalApi: { max: 1e9 } }), '/rateLimits/limits/globalApi/max'],
    [limitsWith({ other: { max: 1 } }), '/rateLimits/limits/other'],
    [limitsWith({ userApi: { max: 1, window: 9 } }), '/rateLimits/limits/userApi/window'],
    [{ ...rateLimitDefaults, tiers: [] }, '/rateLimits/tiers'],
    [{ ...rateLimitDefaults, tiers: [tier, tier] }, '/rateLimits/tiers/1/minPurchased'],
    [
      { ...rateLimitDefaults, tiers: [{ ...tier, multiplier: 0 }] },
      '/rateLimits/tiers/0/multiplier',
    ],
    [{ ...rateLimitDefaults, tiers: [{ ...tier, minPurchased: 5 }] }, '/rateLimits/tiers'],
    [{ tiers: rateLimitDefaults.tiers }, '/rateLimits/limits'],
  ]

  for (const [rateLimits, pointer] of rows) {
    const response = await put({ rateLimits, version }, owner)
    t.equal(response.statusCode, 400, pointer)
    const pointers = response.json().error.details.faults.map((f: { pointer: string }) => f.pointer)
    t.ok(pointers.includes(pointer), `${pointer}: ${pointers}`)
  }
  t.equal((await get('settings', owner)).json().version, version)
})
