import { globSync, readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { newId } from '@funmagic/contract/ids'
import { accessMatrix, type Access, type Answer, type Subject } from './access-matrix.ts'
import { callOf, send, setScene, suspend, type Caller, type Scene } from './access-scene.ts'
import { makePicture } from './client.ts'
import { startPlatform, until, type Platform } from './platform.ts'

// Many processes on few cores.
t.setTimeout(300_000)

const platform = await startPlatform(t)
const { addresses } = platform
const scene = await setScene(platform)
const rows = Object.entries(accessMatrix)
// The owner comes last: what it may do changes what the others would meet.
const order: readonly Caller[] = ['anon', 'suspended', 'other', 'admin', 'superAdmin', 'own']

/** Every route that a service registers, by the document that it publishes. */
async function listRoutes({ addresses: { services } }: Platform): Promise<Map<string, string>> {
  const routes = new Map<string, string>()
  for (const [service, address] of Object.entries(services)) {
    const response = await fetch(`${address}/openapi.json`)
    // The worker has health and metrics alone.
    if (!response.ok) continue
    const document = (await response.json()) as { paths: Record<string, object> }
    for (const [path, operations] of Object.entries(document.paths)) {
      for (const method of Object.keys(operations)) {
        routes.set(`${method.toUpperCase()} ${path}`, service)
      }
    }
  }
  return routes
}

/** Also what no document shows: every path that the sources write down for a route. */
function pathsInSources(): string[] {
  const files = globSync(['services/*/src/**/*.ts', 'libs/runtime/src/**/*.ts'])
  const literal = /\.(?:get|post|put|patch|delete|all)\(\s*['`](\/[^'`$]*)['`]/g
  return files.flatMap(file =>
    Array.from(readFileSync(file, 'utf8').matchAll(literal), ([, path = '']) =>
      path.replaceAll(/:(\w+)/g, '{$1}'),
    ),
  )
}

const routes = await listRoutes(platform)

function serviceOf(route: string): string {
  // The upgrade to a WebSocket is in no document.
  return addresses.services[routes.get(route) ?? 'progress'] ?? ''
}

t.test('every route has a row in the matrix, and every row a route', async t => {
  const withoutRow = [...routes.keys()].filter(route => !(route in accessMatrix))
  const known = new Set(Object.keys(accessMatrix).map(route => route.split(' ')[1]))
  const unknown = pathsInSources().filter(path => !known.has(path))
  const documented = new Set([...routes.keys()].map(route => route.split(' ')[1]))
  const gone = Object.keys(accessMatrix).filter(route => {
    const path = route.split(' ')[1] ?? ''
    return path.startsWith('/api/') && path !== '/api/progress/ws' && !documented.has(path)
  })
  const line = (route: string) => `add to access-matrix.ts:  '${route}': signedIn(200),`

  t.same(withoutRow.map(line), [])
  t.same(unknown, [], 'a path in the sources that the matrix does not know')
  t.same(gone, [], 'rows of routes that are gone')
  t.ok(routes.size > 30)
})

/** Where nobody is routed from outside, the service itself is asked. */
function addressOf(route: string): string {
  return route.includes(' /api/') ? addresses.edge : (addresses.services['task-gateway'] ?? '')
}

function isRight(answer: Answer, status: number): boolean {
  return typeof answer === 'number' ? answer === status : answer.includes(status)
}

function ask(route: string, access: Access, caller: Caller, ids: Scene['ids'] = scene.ids) {
  const { cookie } = scene.callers[caller]
  return send(addressOf(route), callOf(route, access, ids), { cookie }, access.isStream)
}

const spoofs: readonly Readonly<Record<string, string>>[] = [
  { 'x-dev-mode': 'true' },
  { 'x-dev-mode': '1', 'x-beta-access': 'true' },
  { cookie: 'x-beta-access=true' },
  { 'x-forwarded-for': '127.0.0.1' },
  { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'admin.internal' },
  { 'x-real-ip': '10.0.0.1', forwarded: 'for=10.0.0.1;host=localhost', via: '1.1 internal' },
  { 'x-user-id': '{superAdmin}', 'x-user-role': 'super_admin', 'x-role': 'admin' },
  { 'x-request-id': 'super-admin-request' },
  { 'x-original-url': '/api/tools', 'x-rewrite-url': '/api/tools' },
  { 'x-http-method-override': 'GET', 'x-http-method': 'GET', 'x-method-override': 'DELETE' },
  { authorization: 'Bearer super_admin' },
]

/** What a reply says, but for what is new in each. */
function essence({ status, text }: { status: number; text: string }): string {
  if (status < 400) return String(status)
  return `${status} ${text.replaceAll(/"(requestId|timestamp)":"[^"]*"/g, '')}`
}

function testRow(route: string, access: Access): void {
  t.test(`${route} answers each caller as the matrix says, whatever headers it adds`, async t => {
    for (const caller of order) {
      const expected = access[caller]
      if (expected === null) continue
      // Afterwards there is nothing left to refuse.
      if (caller === 'own') await spoofAll(t, route, access)
      const reply = await ask(route, access, caller)
      t.ok(isRight(expected, reply.status), `${caller}: ${reply.status} ${reply.code}`)
    }
  })
}

for (const [route, access] of rows) if (access.isLast !== true) testRow(route, access)

/** Every header, of every caller who is refused: none opens anything (Z3). */
async function spoofAll(t: Test, route: string, access: Access): Promise<void> {
  const refused = order.filter(caller => {
    const expected = access[caller]
    return caller !== 'own' && typeof expected === 'number' && expected >= 400
  })
  for (const caller of refused) {
    const plain = essence(await ask(route, access, caller))
    const replies = await Promise.all(spoofs.map(spoof => askWith(route, access, caller, spoof)))
    t.same(new Set(replies), new Set([plain]), `${caller} with added headers`)
  }
}

/** To the service itself: at the edge some of these would be replaced. */
async function askWith(
  route: string,
  access: Access,
  caller: Caller,
  { cookie: added = '', ...spoof }: Readonly<Record<string, string>>,
): Promise<string> {
  const cookie = [scene.callers[caller].cookie, added].filter(part => part !== '').join('; ')
  const call = callOf(route, access, scene.ids)
  return essence(await send(serviceOf(route), call, { ...spoof, cookie }, access.isStream))
}

t.test('an id that is not there answers like another’s, and a malformed one is told', async t => {
  const named = rows.filter(([, access]) => access.ids !== undefined)
  for (const [route, access] of named) {
    for (const caller of ['own', 'admin', 'superAdmin'] as const) {
      const expected = access[caller]
      if (isRight(expected, 403)) continue
      const subjects = Object.keys(scene.ids)
      const absentIds = Object.fromEntries(subjects.map(name => [name, newId()]))
      const absent = await ask(route, { ...access, ...based(access) }, caller, absentIds as never)
      t.equal(absent.status, 404, `${route}, ${caller}, absent: ${absent.code}`)
      if (Object.values(access.ids ?? {}).some(isName)) continue
      for (const malformed of [
        'nonsense',
        '../../etc/passwd',
        '0199D5B0-7A3C-7C1E-9F52-6F1F0C1F7A10',
      ]) {
        const ids = Object.fromEntries(subjects.map(name => [name, malformed]))
        const reply = await ask(route, access, caller, ids as never)
        t.equal(reply.code, 'INVALID_ID', `${route}, ${caller}, ${malformed}`)
      }
    }
  }
})

/** A name in a path is no id, and answers like one that is not there. */
function isName(subject: Subject): boolean {
  return ['toolSlug', 'providerType', 'feature'].includes(subject)
}

/** A change that says what it is based on, so that the id is what is wrong with it. */
function based({ body }: Access): Pick<Access, 'body'> {
  return body !== undefined && Object.keys(body).length === 0 ? { body: { version: 1 } } : {}
}

t.test(
  'who is suspended takes their things away and deletes them, with a new session only',
  async t => {
    const client = await platform.newUser()
    const { id: asset } = await client.upload(await makePicture())
    const { id: doomed } = await client.upload(await makePicture())
    const { task } = (await client.submit(asset)).body
    const before = client.cookie
    const isCompleted = async () => (await client.task(task.id)).status === 'completed'
    await until(isCompleted, 'the task has completed')

    const told = await suspend(platform, client)

    t.match(told, { status: 403, code: 'ACCOUNT_SUSPENDED' })
    const since = client.cookie
    t.not(since, before)
    const old = await client.send('GET', '/api/tasks', undefined, { cookie: before })
    t.equal(old.status, 401, 'the session from before')
    client.cookie = since
    t.match(await client.task(task.id), { status: 'completed' })
    t.match(await client.balance(), { reservedBalance: 0 })
    const { body: picture } = await client.send('GET', `/api/assets/${asset}`)
    t.equal((await fetch(picture.url)).status, 200, 'the bytes')
    const refused = [
      await client.submit(asset),
      await client.send('POST', `/api/assets/${asset}/publish`),
      await client.send('PATCH', `/api/assets/${asset}`, { tags: ['cats'] }),
      await client.send('POST', '/api/credits/checkout', {}),
    ]
    for (const { status, body } of refused)
      t.same([status, body.error.code], [403, 'ACCOUNT_SUSPENDED'])
    t.equal((await client.send('DELETE', `/api/assets/${doomed}`)).status, 204)
    const cancel = await client.send('POST', `/api/tasks/${task.id}/cancel`)
    t.equal(cancel.body.error.code, 'TASK_FINISHED', 'a cancel is heard')
  },
)

for (const [route, access] of rows) if (access.isLast === true) testRow(route, access)
