import { newId } from '@funmagic/contract/ids'
import type { AssetView } from '@funmagic/contract/asset'
import t from 'tap'
import { addUser, call, openAssetApp, upload } from './asset-app.ts'

const assetApp = await openAssetApp(t)

t.test('the gallery shows the own assets, newest first, in pages', async t => {
  const [user, other] = [await addUser(assetApp), await addUser(assetApp)]
  const created = [await upload(assetApp, user), await upload(assetApp, user)]
  await upload(assetApp, other)

  const first = await call(assetApp, user, '/api/assets?limit=1')
  const { items, nextCursor } = first.json<{ items: AssetView[]; nextCursor: string }>()
  const second = await call(assetApp, user, `/api/assets?limit=1&cursor=${nextCursor}`)

  t.same(items, [created[1]])
  t.same(second.json(), { items: [created[0]], nextCursor: null })
})

t.test('the gallery can be narrowed, and refuses what it does not know', async t => {
  const user = await addUser(assetApp)
  const asset = await upload(assetApp, user)
  const idsOf = async (query: string) => {
    const response = await call(assetApp, user, `/api/assets?${query}`)
    return response.json<{ items: AssetView[] }>().items.map(({ id }) => id)
  }

  t.same(await idsOf('module=gallery&visibility=private'), [asset.id])
  t.same(await idsOf('module=avatar'), [])
  t.same(await idsOf('visibility=public'), [])
  t.same(await idsOf(`taskId=${newId()}`), [])
  const refused: [string, string][] = [
    ['limit=0', 'VALIDATION_FAILED'],
    ['limit=101', 'VALIDATION_FAILED'],
    ['limit=10abc', 'VALIDATION_FAILED'],
    ['visibility=admin-private', 'VALIDATION_FAILED'],
    ['module=%25', 'VALIDATION_FAILED'],
    ['owner=me', 'VALIDATION_FAILED'],
    ['cursor=nonsense', 'INVALID_CURSOR'],
    [`cursor=${'a'.repeat(10_000)}`, 'VALIDATION_FAILED'],
  ]
  for (const [query, code] of refused) {
    const response = await call(assetApp, user, `/api/assets?${query}`)
    t.equal(response.statusCode, 400, query)
    t.equal(response.json().error.code, code)
  }
})

t.test('an address is the same within its window, so that browsers keep the picture', async t => {
  const user = await addUser(assetApp)
  const asset = await upload(assetApp, user)

  const read = await call(assetApp, user, `/api/assets/${asset.id}`)

  t.same(read.json(), asset)
})

t.test('a deleted asset is gone at once, and only once', async t => {
  const user = await addUser(assetApp)
  const asset = await upload(assetApp, user)
  const url = `/api/assets/${asset.id}`

  const deleted = await call(assetApp, user, url, { method: 'DELETE' })
  const again = await call(assetApp, user, url, { method: 'DELETE' })
  const read = await call(assetApp, user, url)

  t.same([deleted.statusCode, deleted.body], [204, ''])
  t.same([again.statusCode, read.statusCode], [404, 404])
})

t.test('the lists go on without the store', async t => {
  const user = await addUser(assetApp)
  const asset = await upload(assetApp, user)
  for (const operation of ['find', 'read', 'create', 'copy', 'remove'] as const) {
    assetApp.store.failNext(operation, 'before')
  }

  const response = await call(assetApp, user, '/api/assets')

  t.equal(response.statusCode, 200)
  t.same(response.json().items, [asset])
})
