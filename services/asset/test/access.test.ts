import { newId } from '@funmagic/contract/ids'
import t from 'tap'
import { addUser, call, openAssetApp, send, ticketBody, paintPng, upload } from './asset-app.ts'

const assetApp = await openAssetApp(t)

/** What of a reply does not change from one request to the next. */
function essence(response: { statusCode: number; json: () => { error: object } }) {
  return {
    status: response.statusCode,
    error: { ...response.json().error, requestId: '', timestamp: '' },
  }
}

const assetRoutes = [
  ['GET', (id: string) => `/api/assets/${id}`],
  ['DELETE', (id: string) => `/api/assets/${id}`],
  ['GET', (id: string) => `/api/assets/${id}/events`],
  ['POST', (id: string) => `/api/assets/${id}/publish`],
  ['POST', (id: string) => `/api/assets/${id}/unpublish`],
] as const

t.test('somebody else’s asset answers like one that is not there, on every route', async t => {
  const [owner, stranger] = [await addUser(assetApp), await addUser(assetApp)]
  const asset = await upload(assetApp, owner)

  for (const [method, urlOf] of assetRoutes) {
    const foreign = essence(await call(assetApp, stranger, urlOf(asset.id), { method }))
    t.equal(foreign.status, 404)
    t.same(foreign, essence(await call(assetApp, stranger, urlOf(newId()), { method })))
  }
  const hidden = essence(await call(assetApp, undefined, `/api/assets/shared/${asset.id}`))
  t.same(hidden, essence(await call(assetApp, undefined, `/api/assets/shared/${newId()}`)))
  const read = await call(assetApp, owner, `/api/assets/${asset.id}`)
  t.same(read.json(), asset, 'and nothing happened to it')
})

t.test('somebody else’s upload cannot be completed', async t => {
  const [owner, stranger] = [await addUser(assetApp), await addUser(assetApp)]
  const { uploadId } = await send(assetApp, owner, await paintPng())
  const urlOf = (id: string) => `/api/assets/uploads/${id}/complete`
  const complete = (id: string) => call(assetApp, stranger, urlOf(id), { method: 'POST' })

  const foreign = essence(await complete(uploadId))

  t.equal(foreign.status, 404)
  t.same(foreign, essence(await complete(newId())))
})

t.test('an id that is none is told so', async t => {
  const user = await addUser(assetApp)
  const ids = ['1', 'nonsense', newId().toUpperCase(), `${newId()}x`, '%00', '..%2f..%2fx']

  for (const id of ids) {
    for (const [method, urlOf] of assetRoutes) {
      const response = await call(assetApp, user, urlOf(id), { method })
      t.equal(response.statusCode, 400, `${method} ${id}`)
    }
  }
})

t.test('a stranger is told to sign in before anything is looked at', async t => {
  const asset = await upload(assetApp, await addUser(assetApp))
  const requests = [
    ...assetRoutes.map(([method, urlOf]) => [method, urlOf(asset.id)] as const),
    ['GET', '/api/assets'],
    ['GET', '/api/assets?limit=nonsense'],
    ['GET', '/api/assets/nonsense'],
    ['POST', `/api/assets/uploads/${asset.id}/complete`],
  ] as const

  for (const [method, url] of requests) {
    const response = await call(assetApp, undefined, url, { method })
    t.equal(response.statusCode, 401, `${method} ${url}`)
    t.equal(response.json().error.code, 'UNAUTHORIZED')
  }
  for (const body of [ticketBody, { nonsense: true }]) {
    const how = { method: 'POST', body } as const
    const response = await call(assetApp, undefined, '/api/assets/uploads', how)
    t.equal(response.statusCode, 401)
  }
})
