import { newId } from '@funmagic/contract/ids'
import { listAdminEvents } from '@funmagic/session/admin-events'
import t from 'tap'
import { addOperator, send } from './admin-app.ts'
import { addUser, cdnUrl, openGateway, submit } from './gateway-app.ts'

const gateway = await openGateway(t)
const { database, tools } = gateway
const { cookie, user: admin } = await addOperator(gateway)
const providerId = tools.painter.config.steps[0]?.providerId ?? ''

function step(id: string, changes: object = {}) {
  const model = { type: 'image-gen', providerId, providerModel: 'gpt-image-1.5' }
  return { id, name: id, ...model, cost: 20, ...changes }
}

function others(count: number) {
  return Array.from({ length: count }, (_, n) => ({ providerId, providerModel: `gpt-image-${n}` }))
}

function toolOf(slug: string, config: object = { steps: [step('draw')] }) {
  return { slug, title: 'A tool', typeName: 'test', config }
}

async function create(slug: string) {
  const response = await send(gateway, 'POST /api/admin/tools', { cookie, body: toolOf(slug) })
  if (response.statusCode !== 201) throw new Error(response.body)
  return response.json()
}

t.test('a tool is created, changed, switched off, and every version is kept', async t => {
  const config = { steps: [step('draw'), step('again', { cost: 30 })] }
  const body = { ...toolOf('kept', config), reason: 'a new tool' }
  const created = await send(gateway, 'POST /api/admin/tools', { cookie, body })
  const { id } = created.json()

  const path = `PUT /api/admin/tools/${id}` as const
  const dearer = { version: 1, config: { steps: [step('draw', { cost: 25 })] } }
  const changed = await send(gateway, path, { cookie, body: dearer })
  const off = await send(gateway, path, {
    cookie,
    body: { isActive: false },
    headers: { 'if-match': '"2"' },
  })

  t.equal(created.statusCode, 201)
  t.equal(created.headers['etag'], '"1"')
  t.match(created.json(), { slug: 'kept', creditsCost: 50, isActive: true, version: 1 })
  t.match(changed.json(), { creditsCost: 25, version: 2, title: 'A tool' })
  t.match(off.json(), { isActive: false, version: 3 })
  const versions = await send(gateway, `GET /api/admin/tools/${id}/versions?limit=2`, { cookie })
  t.match(versions.json(), { items: [{ version: 3 }, { version: 2 }], nextCursor: 'v2' })
  const rest = await send(gateway, `GET /api/admin/tools/${id}/versions?cursor=v2`, { cookie })
  t.match(rest.json(), { items: [{ version: 1, creditsCost: 50 }], nextCursor: null })
  const shown = await send(gateway, 'GET /api/tools/kept', { cookie })
  t.equal(shown.statusCode, 404, 'users are told that it is not there')
})

t.test('of two changes to one version the second is refused', async t => {
  const { id } = await create('contested')
  const change = (title: string) =>
    send(gateway, `PUT /api/admin/tools/${id}`, { cookie, body: { version: 1, title } })

  const replies = await Promise.all([change('One'), change('Other')])

  const statuses = replies.map(({ statusCode }) => statusCode)
  t.same(new Set(statuses), new Set([200, 412]))
  const junk = await send(gateway, `PUT /api/admin/tools/${id}`, {
    cookie,
    body: { title: 'x' },
    headers: { 'if-match': 'junk' },
  })
  t.equal(junk.json().error.code, 'VERSION_CONFLICT')
  const blind = await send(gateway, `PUT /api/admin/tools/${id}`, { cookie, body: { title: 'x' } })
  t.equal(blind.statusCode, 400, 'a change that says no version is none')
})

const badFallbacks: [string, object, string][] = [
  [
    'an unknown provider as a fallback',
    {
      steps: [step('a', { fallbacks: [{ providerId: newId(), providerModel: 'gpt-image-1' }] })],
    },
    '/config/steps/0/fallbacks/0/providerId',
  ],
  [
    'a fallback that cannot do the step',
    { steps: [step('a', { fallbacks: [{ providerId, providerModel: 'dall-e' }] })] },
    '/config/steps/0/fallbacks/0/providerModel',
  ],
  [
    'the same model as its own fallback',
    { steps: [step('a', { fallbacks: [{ providerId, providerModel: 'gpt-image-1.5' }] })] },
    '/config/steps/0/fallbacks/0/providerModel',
  ],
  ['six fallbacks', { steps: [step('a', { fallbacks: others(6) })] }, '/config/steps/0/fallbacks'],
]

t.test('every fault of a config is named with its place', async t => {
  const rows: [string, object, string][] = [
    ['a duplicate step', { steps: [step('a'), step('a')] }, '/config/steps/1/id'],
    ['an empty step id', { steps: [step('')] }, '/config/steps/0/id'],
    ['a negative cost', { steps: [step('a', { cost: -1 })] }, '/config/steps/0/cost'],
    ['half a credit', { steps: [step('a', { cost: 1.5 })] }, '/config/steps/0/cost'],
    ['a huge cost', { steps: [step('a', { cost: 1e9 })] }, '/config/steps/0/cost'],
    [
      'too much together',
      { steps: [step('a', { cost: 600_000 }), step('b', { cost: 600_000 })] },
      '/config/steps',
    ],
    ['no step', { steps: [] }, '/config/steps'],
    ['21 steps', { steps: Array.from({ length: 21 }, (_, n) => step(`s${n}`)) }, '/config/steps'],
    [
      'an unknown provider',
      { steps: [step('a', { providerId: newId() })] },
      '/config/steps/0/providerId',
    ],
    ['an unknown type', { steps: [step('a', { type: 'dance' })] }, '/config/steps/0/type'],
    [
      'a type that the model cannot do',
      { steps: [step('a', { type: 'background-remove' })] },
      '/config/steps/0/providerModel',
    ],
    [
      'a model of another vendor',
      { steps: [step('a', { providerModel: 'dall-e' })] },
      '/config/steps/0/providerModel',
    ],
    ...badFallbacks,
    ['an unknown key', { steps: [step('a', { price: 1 })] }, '/config/steps/0/price'],
    ['another unknown key', { steps: [step('a')], admin: true }, '/config/admin'],
    ['a missing key', { steps: [{ ...step('a'), name: undefined }] }, '/config/steps/0/name'],
    ['more than 64 KB', { steps: [step('a')], styleReferences: longStyles() }, '/config'],
    ...badPictures.map((imageUrl): [string, object, string] => [
      imageUrl,
      { steps: [step('a')], styleReferences: [{ id: 's', name: 's', prompt: 's', imageUrl }] },
      '/config/styleReferences/0/imageUrl',
    ]),
  ]

  for (const [why, config, pointer] of rows) {
    const body = toolOf('faulty', config)
    const response = await send(gateway, 'POST /api/admin/tools', { cookie, body })
    t.equal(response.statusCode, 400, why)
    const pointers = response.json().error.details.faults.map((f: { pointer: string }) => f.pointer)
    t.ok(pointers.includes(pointer), `${why}: ${pointers}`)
  }
  const absent = await database.prisma.tool.count({ where: { slug: 'faulty' } })
  t.equal(absent, 0)
})

const badPictures = [
  'javascript:alert(1)',
  'data:image/png;base64,AAAA',
  'http://10.0.0.1/a.png',
  'https://evil.test/a.png',
  `${cdnUrl}.evil.test/a.png`,
  `https://user@${new URL(cdnUrl).host}/a.png`,
  cdnUrl.replace('https', 'http'),
  'not an address',
]

function longStyles() {
  return Array.from({ length: 50 }, (_, n) => ({
    id: `s${n}`,
    name: 's',
    prompt: 'x'.repeat(1900),
  }))
}

t.test('several faults are named at once', async t => {
  const config = { steps: [step('a', { cost: -1 }), step('B', { type: 'dance' })] }
  const body = { ...toolOf('many', config), title: '' }

  const response = await send(gateway, 'POST /api/admin/tools', { cookie, body })

  const pointers = response.json().error.details.faults.map((f: { pointer: string }) => f.pointer)
  for (const pointer of ['/title', '/config/steps/0/cost', '/config/steps/1/id']) {
    t.ok(pointers.includes(pointer), pointer)
  }
})

t.test('a picture on our CDN is taken, and one MB is not', async t => {
  const styleReferences = [{ id: 's', name: 's', prompt: 's', imageUrl: `${cdnUrl}/public/a.png` }]
  const body = toolOf('styled', { steps: [step('a')], styleReferences })
  const response = await send(gateway, 'POST /api/admin/tools', { cookie, body })
  const large = toolOf('large', { steps: [step('a', { name: 'x'.repeat(1_100_000) })] })

  t.equal(response.statusCode, 201)
  const refused = await send(gateway, 'POST /api/admin/tools', { cookie, body: large })
  t.equal(refused.json().error.code, 'PAYLOAD_TOO_LARGE')
})

t.test('under one Idempotency-Key a tool is created once', async t => {
  const body = toolOf('once')
  const headers = { 'idempotency-key': 'create-once' }
  const replies = await Promise.all(
    [1, 2, 3].map(() => send(gateway, 'POST /api/admin/tools', { cookie, body, headers })),
  )
  const other = { cookie, body: toolOf('other'), headers }
  const mismatch = await send(gateway, 'POST /api/admin/tools', other)
  const second = await send(gateway, 'POST /api/admin/tools', { cookie, body })

  t.same([...new Set(replies.map(reply => reply.statusCode))], [201])
  t.equal(new Set(replies.map(reply => reply.json().id)).size, 1)
  t.equal(mismatch.json().error.code, 'IDEMPOTENCY_MISMATCH')
  t.match(second.json().error, { code: 'ALREADY_EXISTS', details: { field: 'slug' } })
})

t.test('a tool type is created and switched off; then no tool can be given it', async t => {
  const body = { name: 'sketching', displayName: 'Sketching', color: '#00ff00' }
  const created = await send(gateway, 'POST /api/admin/tool-types', { cookie, body })
  const { id } = created.json()
  const path = `PUT /api/admin/tool-types/${id}` as const
  const off = await send(gateway, path, { cookie, body: { version: 1, isActive: false } })
  const late = await send(gateway, path, { cookie, body: { version: 1, icon: 'x' } })

  t.match(created.json(), { ...body, icon: null, isActive: true, version: 1 })
  t.match(off.json(), { isActive: false, version: 2 })
  t.equal(late.statusCode, 412)
  const tool = { ...toolOf('typed'), typeName: 'sketching' }
  const refused = await send(gateway, 'POST /api/admin/tools', { cookie, body: tool })
  t.equal(refused.json().error.details.faults[0].pointer, '/typeName')
})

t.test('every change is in the audit, and a refused one is not', async t => {
  const { id } = await create('audited')
  const path = `PUT /api/admin/tools/${id}` as const
  const renamed = { version: 1, title: 'Renamed', reason: 'a better name' }
  await send(gateway, path, { cookie, body: renamed })
  await send(gateway, path, { cookie, body: { version: 1, title: 'Lost' } })

  const filter = { subjectType: 'tool', subjectId: id } as const
  const { items } = await listAdminEvents(database, filter, { limit: 10, beforeId: undefined })

  t.equal(items.length, 2)
  t.match(items[0], {
    actorId: admin.id,
    actorRole: 'admin',
    action: 'tool.updated',
    before: { title: 'A tool', version: 1 },
    after: { title: 'Renamed', version: 2 },
    reason: 'a better name',
  })
  t.match(items[1], { action: 'tool.created', before: null, after: { slug: 'audited' } })
})

t.test('lists are paged, filtered, and refuse cursors that they have not given', async t => {
  const first = await send(gateway, 'GET /api/admin/tools?limit=1', { cookie })
  const { items, nextCursor } = first.json()
  const next = await send(gateway, `GET /api/admin/tools?limit=1&cursor=${nextCursor}`, { cookie })
  t.ok(next.json().items[0].id < items[0].id)
  const off = await send(gateway, 'GET /api/admin/tools?isActive=false', { cookie })
  t.ok(off.json().items.every((tool: { isActive: boolean }) => !tool.isActive))

  for (const query of ['limit=0', 'limit=101', 'limit=10abc', 'isActive=maybe', 'x=1']) {
    const response = await send(gateway, `GET /api/admin/tools?${query}`, { cookie })
    t.equal(response.statusCode, 400, query)
  }
  for (const cursor of ['x', 'v0', `${nextCursor}x`]) {
    const response = await send(gateway, `GET /api/admin/tools?cursor=${cursor}`, { cookie })
    t.equal(response.json().error.code, 'INVALID_CURSOR', cursor)
  }
})

t.test('a task keeps the version that it ran', async t => {
  const { id } = await create('versioned')
  const user = await addUser(gateway)
  const order = { toolSlug: 'versioned', input: { prompt: 'a cat' } }
  const { task } = (await submit(gateway, order, user)).json()
  const dearer = { version: 1, config: { steps: [step('draw', { cost: 90 })] } }
  await send(gateway, `PUT /api/admin/tools/${id}`, { cookie, body: dearer })

  const row = await database.prisma.task.findUniqueOrThrow({ where: { id: task.id } })

  t.match(row, { toolVersion: 1, creditsCost: 20, step: { cost: 20 } })
})
