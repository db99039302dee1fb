import { newId } from '@funmagic/contract/ids'
import { balanceOf } from '@funmagic/ledger/accounts'
import { findTask } from '@funmagic/task/tasks'
import t from 'tap'
import {
  addUser,
  cdnUrl,
  get,
  keyFor,
  openGateway,
  post,
  privateCdnUrl,
  submit,
  submitted,
} from './gateway-app.ts'
import { addAsset, complete, countEffects } from './rows.ts'

const gateway = await openGateway(t)
const { app, database } = gateway

/** What of a reply does not change from one request to the next. */
function essence(response: { statusCode: number; json: () => { error: object } }) {
  return {
    status: response.statusCode,
    error: { ...response.json().error, requestId: '', timestamp: '' },
  }
}

t.test('somebody else’s task answers like one that is not there, on every route', async t => {
  const [owner, stranger] = [await addUser(gateway), await addUser(gateway)]
  const taskId = await submitted(gateway, owner)
  const { cookie } = stranger
  const routes = [
    (id: string) => get(gateway, `/api/tasks/${id}`, { cookie }),
    (id: string) => post(gateway, `/api/tasks/${id}/cancel`, { cookie }),
    (id: string) =>
      submit(
        gateway,
        { toolSlug: 'painter', stepId: 'finish', parentTaskId: id, input: { prompt: 'x' } },
        { cookie },
      ),
  ]

  for (const route of routes) {
    const foreign = essence(await route(taskId))
    t.equal(foreign.status, 404)
    t.same(foreign, essence(await route(newId())), 'the same reply as for a missing one')
  }
  t.match(await findTask(database, { userId: owner.user.id, taskId }), { status: 'pending' })
  t.match(await balanceOf(database, owner.user.id), { balance: 80, reservedBalance: 20 })
})

t.test('somebody else’s completed task is no parent', async t => {
  const [owner, stranger] = [await addUser(gateway), await addUser(gateway)]
  const parentTaskId = await submitted(gateway, owner)
  await complete(database, parentTaskId)

  const body = { toolSlug: 'painter', stepId: 'finish', parentTaskId, input: { prompt: 'x' } }
  const response = await submit(gateway, body, { cookie: stranger.cookie })

  t.equal(response.statusCode, 404)
})

t.test('only an own picture can be worked on, in whichever way it is named', async t => {
  const [owner, stranger] = [await addUser(gateway), await addUser(gateway)]
  const ownersKey = keyFor(owner.user.id)
  const assetId = await addAsset(database, owner.user.id, { storageKey: ownersKey })
  const taskId = await submitted(gateway, owner)
  const inputs = [
    { assetId },
    { assetId: newId() },
    { assetId: taskId },
    { imageStorageKey: ownersKey },
    { imageStorageKey: `/${ownersKey}` },
    { imageStorageKey: `private/${stranger.user.id}/../${owner.user.id}/upload/a.png` },
    { imageStorageKey: `quarantine/${newId()}` },
    { imageStorageKey: 'internal/admin/audit/a.png' },
    { imageStorageKey: 'public/ops/banner/a.png' },
    { imageStorageKey: `s3://funmagic-private/${ownersKey}` },
    { imageStorageKey: ownersKey.replaceAll('/', '%2f') },
    { imageStorageKey: `private/${owner.user.id}/*` },
    { imageUrl: `${privateCdnUrl}/${ownersKey}` },
    { imageUrl: `${cdnUrl}/${ownersKey}` },
    { imageUrl: `${privateCdnUrl}/${stranger.user.id}/../${ownersKey}` },
  ]

  for (const input of inputs) {
    const order = { toolSlug: 'background-remove', input }
    const response = await submit(gateway, order, { cookie: stranger.cookie })
    t.equal(response.statusCode, 404, JSON.stringify(input))
    t.notMatch(response.body, owner.user.id)
  }
  const none = { tasks: 0, reservations: 0, wakeUps: 0 }
  t.same(await countEffects(database, stranger.user.id), none)
})

t.test('an address elsewhere is refused and never fetched', async t => {
  const { user, cookie } = await addUser(gateway)
  const key = keyFor(user.id)
  await addAsset(database, user.id, { storageKey: key })
  const urls = [
    'http://169.254.169.254/latest/meta-data/',
    `https://evil.test/${key}`,
    `https://private-cdn.funmagic.test.evil.test/${key}`,
    `https://private-cdn.funmagic.test@evil.test/${key}`,
    `https://evil.test@private-cdn.funmagic.test/${key}`,
    `http://private-cdn.funmagic.test/${key}`,
    `https://private-cdn.funmagic.test:8443/${key}`,
    'file:///etc/passwd',
    'data:image/png;base64,AAAA',
    'not an address',
  ]

  for (const imageUrl of urls) {
    const order = { toolSlug: 'background-remove', input: { imageUrl } }
    const response = await submit(gateway, order, { cookie })
    t.equal(response.statusCode, 422, imageUrl)
    t.match(response.json().error, { code: 'INVALID_INPUT', details: { field: 'input.imageUrl' } })
  }
})

t.test('a list holds nothing of anybody else, with any cursor', async t => {
  const [owner, stranger] = [await addUser(gateway), await addUser(gateway)]
  const taskId = await submitted(gateway, owner)
  await submitted(gateway, owner)

  for (const query of ['', `?cursor=${taskId}`, `?cursor=${newId()}`, '?toolSlug=painter']) {
    const response = await get(gateway, `/api/tasks${query}`, stranger)
    t.same(response.json(), { items: [], nextCursor: null }, query)
  }
})

t.test('a stranger is told to sign in before anything is looked at', async t => {
  const taskId = await submitted(gateway, await addUser(gateway))
  const requests = [
    { method: 'POST', url: '/api/tasks', payload: { toolSlug: 'painter', input: {} } },
    { method: 'POST', url: '/api/tasks', payload: { nonsense: true } },
    { method: 'GET', url: '/api/tasks' },
    { method: 'GET', url: `/api/tasks/${taskId}` },
    { method: 'GET', url: '/api/tasks/nonsense' },
    { method: 'POST', url: `/api/tasks/${taskId}/cancel` },
  ] as const

  for (const request of requests) {
    const response = await app.inject(request)
    t.equal(response.statusCode, 401, `${request.method} ${request.url}`)
    t.equal(response.json().error.code, 'UNAUTHORIZED')
  }
})
