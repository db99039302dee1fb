import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { openCredentials } from '@funmagic/provider/credentials'
import { findProvider, readApiKey } from '@funmagic/provider/providers'
import { listAdminEvents } from '@funmagic/session/admin-events'
import { saveTool } from '@funmagic/task/catalog'
import t from 'tap'
import { addOperator, send } from './admin-app.ts'
import { openGateway } from './gateway-app.ts'

const gateway = await openGateway(t)
const { database, tools, forgotten } = gateway
const { cookie } = await addOperator(gateway)
const apiKey = 'sk-canary-0123456789-WXYZ'
let count = 0

async function create(path: 'providers' | 'admin-providers', changes: object = {}) {
  const body = { name: `provider ${++count}`, type: 'openai', apiKey, ...changes }
  return send(gateway, `POST /api/admin/${path}`, { cookie, body })
}

for (const path of ['providers', 'admin-providers'] as const) {
  t.test(`${path}: a key is written, opened by nobody here, and shown by its end`, async t => {
    const created = await create(path, { config: { rateLimit: { maxConcurrency: 5 } } })
    const { id } = created.json()
    const url = `/api/admin/${path}/${id}` as const
    const changed = await send(gateway, `PUT ${url}`, {
      cookie,
      body: { version: 1, apiKey: 'another-canary-key-9876', reason: 'rotated' },
    })
    const read = await send(gateway, `GET ${url}`, { cookie })
    const list = await send(gateway, `GET /api/admin/${path}`, { cookie })

    t.equal(created.statusCode, 201, created.body)
    t.match(created.json(), { apiKeyLast4: 'WXYZ', version: 1 })
    t.match(changed.json(), { apiKeyLast4: '9876', version: 2 })
    const filter = { subjectId: id }
    const { items } = await listAdminEvents(database, filter, { limit: 9, beforeId: undefined })
    t.match(items[0]?.action, /key_changed$/)
    for (const reply of [created, changed, read, list]) t.notMatch(reply.body, /canary/)
    t.notMatch(JSON.stringify(items), /canary/, 'nor is it in the audit')
    t.ok(
      forgotten.some(entry => entry.endsWith(id)),
      'the limiter reads the limits again',
    )
  })
}

t.test('the worker opens the key that an operator has set', async t => {
  const { id } = (await create('providers')).json()

  const provider = await findProvider(database, id)

  const credentials = await openCredentials('a secret of this test only')
  t.equal(provider && readApiKey(credentials, provider), apiKey)
})

t.test('an address that leads into our network is refused', async t => {
  const addresses = [
    'http://api.example.com',
    'https://localhost',
    'https://127.0.0.1',
    'https://2130706433',
    'https://0x7f.1',
    'https://[::1]',
    'https://169.254.169.254/latest/meta-data',
    'https://10.0.0.1',
    'https://metadata.google.internal',
    'https://redis',
    'https://redis.local',
    'https://api.example.com.',
    'https://api.example.com:22',
    'https://api.example.com:8443',
    'https://user:password@api.example.com',
    'https://user@api.example.com',
    'https://api.example.com/?a=b',
    'https://bücher.example',
    'https://xn--bcher-kva.example',
    'https://api.example.com\\@evil.test',
    'ftp://api.example.com',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'http://127.0.0.1:10',
    'not an address',
  ]
  for (const baseUrl of addresses) {
    const response = await create('providers', { baseUrl })
    t.equal(response.statusCode, 400, baseUrl)
    t.equal(response.json().error.code, 'URL_NOT_ALLOWED', baseUrl)
  }
  for (const baseUrl of ['https://gateway.example.com/v1', 'http://127.0.0.1:9/openai', null]) {
    const response = await create('providers', { baseUrl })
    t.equal(response.statusCode, 201, String(baseUrl))
  }
})

t.test('limits and keys out of bounds are refused with their place', async t => {
  const limit = (rateLimit: object) => ({ config: { rateLimit } })
  const rows: [object, string][] = [
    [limit({ maxConcurrency: 0 }), '/config/rateLimit/maxConcurrency'],
    [limit({ maxConcurrency: -1 }), '/config/rateLimit/maxConcurrency'],
    [limit({ maxConcurrency: 1e9 }), '/config/rateLimit/maxConcurrency'],
    [limit({ maxPerMinute: 0 }), '/config/rateLimit/maxPerMinute'],
    [limit({ baseBackoffMs: 0 }), '/config/rateLimit/baseBackoffMs'],
    [limit({ retryOn429: 'yes' }), '/config/rateLimit/retryOn429'],
    [limit({ burst: 1 }), '/config/rateLimit/burst'],
    [{ apiKey: '' }, '/apiKey'],
    [{ apiKey: 'x'.repeat(10_240) }, '/apiKey'],
    [{ apiKey: 'sk-012345\n6789' }, '/apiKey'],
    [{ type: 'midjourney' }, '/type'],
    [{ isHealthy: true }, '/isHealthy'],
    [{ name: '   ' }, '/name'],
  ]
  for (const [changes, pointer] of rows) {
    const response = await create('providers', changes)
    t.equal(response.statusCode, 400, pointer)
    t.equal(response.json().error.details.faults[0].pointer, pointer)
    t.notMatch(response.body, /0123456789|xxxx/, 'the key is not repeated')
  }
})

t.test('a provider that a tool uses stays; one that nobody uses goes', async t => {
  const { id } = (await create('providers')).json()
  const removing = (providerId: string) =>
    send(gateway, `DELETE /api/admin/providers/${providerId}`, { cookie })
  const used = tools.painter.config.steps[0]?.providerId ?? ''

  t.equal((await removing(id)).statusCode, 204)
  t.equal((await removing(id)).statusCode, 404)
  const refused = await removing(used)
  t.match(refused.json().error, { code: 'IN_USE', details: { toolSlugs: ['painter'] } })
  t.equal((await removing(newId())).statusCode, 404)
  t.equal((await removing('nonsense')).json().error.code, 'INVALID_ID')
})

t.test('of a removal and a tool that is given the provider at once, one is refused', async t => {
  for (let round = 0; round < 10; round++) {
    const { id } = (await create('providers')).json()
    const step = { id: 'a', name: 'a', type: 'image-gen', providerModel: 'gpt-image-1.5', cost: 1 }
    const config = { steps: [{ ...step, providerId: id }] }
    const body = { slug: `raced-${round}`, title: 'Raced', typeName: 'test', config }
    const [removed, created] = await Promise.all([
      send(gateway, `DELETE /api/admin/providers/${id}`, { cookie }),
      send(gateway, 'POST /api/admin/tools', { cookie, body }),
    ])
    const outcome = `${removed.statusCode} ${created.statusCode}`
    t.ok(['204 400', '409 201'].includes(outcome), outcome)
  }
})

t.test('a taken name is refused, also on a change', async t => {
  const first = (await create('providers')).json()
  const second = (await create('providers')).json()
  const body = { version: 1, name: first.name }
  const renamed = await send(gateway, `PUT /api/admin/providers/${second.id}`, { cookie, body })

  t.equal((await create('providers', { name: first.name })).statusCode, 409)
  t.match(renamed.json().error, { code: 'ALREADY_EXISTS', details: { field: 'name' } })
})

t.test('the audit cannot be edited', async t => {
  for (const statement of [
    sql`UPDATE admin_events SET reason = 'x'`,
    sql`DELETE FROM admin_events`,
    sql`TRUNCATE admin_events`,
    sql`UPDATE tool_versions SET credits_cost = 1`,
  ]) {
    await t.rejects(database.query(statement), /append-only/)
  }
})

t.test('a new key counts as good until it is checked (V-8)', async t => {
  const { id } = (await create('providers')).json()
  await database.query(sql`UPDATE providers SET is_healthy = false WHERE id = ${id}`)
  const change = async (body: object) =>
    (await send(gateway, `PUT /api/admin/providers/${id}`, { cookie, body })).json()

  const renamed = await change({ version: 1, name: `renamed ${++count}` })
  const rekeyed = await change({ version: 2, apiKey: 'another-canary-key-9876' })

  t.equal(renamed.health.isHealthy, false, 'another change says nothing about the key')
  t.strictSame(rekeyed.health, { isHealthy: true, checkedAt: null })
})

t.test('a provider that a tool falls back on is in use', async t => {
  const { id } = (await create('providers')).json()
  const fallbacks = [{ providerId: id, providerModel: 'gpt-image-1' }]
  const { type, config, ...painter } = tools.painter
  const steps = config.steps.map(step => ({ ...step, fallbacks }))
  await saveTool(database, { ...painter, typeName: type.name, config: { steps } })

  const refused = await send(gateway, `DELETE /api/admin/providers/${id}`, { cookie })

  t.equal(refused.json().error.code, 'IN_USE')
})
