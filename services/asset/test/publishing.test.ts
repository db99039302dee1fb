import type { AssetView } from '@funmagic/contract/asset'
import { newId } from '@funmagic/contract/ids'
import t from 'tap'
import { sweep } from '../src/jobs/sweep.ts'
import { addUser, call, cdnUrl, openAssetApp, passHour, upload } from './asset-app.ts'

const assetApp = await openAssetApp(t)
const method = 'POST'

t.test(
  'a published asset is on the CDN for everybody, and an unpublished one for nobody',
  async t => {
    const user = await addUser(assetApp)
    const { id } = await upload(assetApp, user)

    const published = await call(assetApp, user, `/api/assets/${id}/publish`, { method })
    const shared = await call(assetApp, undefined, `/api/assets/shared/${id}`)
    const unpublished = await call(assetApp, user, `/api/assets/${id}/unpublish`, { method })
    const gone = await call(assetApp, undefined, `/api/assets/shared/${id}`)

    t.equal(published.statusCode, 200)
    t.match(published.json(), { visibility: 'public', urlExpiresAt: null, publishedAt: String })
    t.ok(published.json().url.startsWith(`${cdnUrl}/public/shared/${user.user.id}/`))
    t.match(shared.json(), { ...published.json(), filename: null }, 'but for its name')
    t.match(unpublished.json(), { visibility: 'private', urlExpiresAt: String, publishedAt: null })
    t.equal(gone.statusCode, 404)
  },
)

t.test('publishing and unpublishing may be repeated', async t => {
  const user = await addUser(assetApp)
  const { id } = await upload(assetApp, user)
  const post = (operation: string) =>
    call(assetApp, user, `/api/assets/${id}/${operation}`, { method })

  const published = [await post('publish'), await post('publish')]
  const unpublished = [await post('unpublish'), await post('unpublish')]

  t.same(published[1]?.json(), published[0]?.json())
  t.same(unpublished[1]?.json(), unpublished[0]?.json())
})

t.test('without the store an asset is public at once, under an address that works', async t => {
  const user = await addUser(assetApp)
  const asset = await upload(assetApp, user)
  assetApp.store.failNext('copy', 'before')

  const published = await call(assetApp, user, `/api/assets/${asset.id}/publish`, { method })
  const shared = await call(assetApp, undefined, `/api/assets/shared/${asset.id}`)
  await passHour(assetApp)
  await sweep({ ...assetApp, cdn: undefined }, new AbortController().signal)
  const moved = await call(assetApp, undefined, `/api/assets/shared/${asset.id}`)

  t.match(published.json(), { visibility: 'public', url: asset.url, urlExpiresAt: String })
  t.equal(shared.json().url, asset.url, 'for everybody')
  t.ok(moved.json().url.startsWith(cdnUrl))
})

t.test(
  'without the store an asset is private at once, and the caller is told to come again',
  async t => {
    const user = await addUser(assetApp)
    const { id } = await upload(assetApp, user)
    await call(assetApp, user, `/api/assets/${id}/publish`, { method })
    assetApp.store.failNext('copy', 'before')

    const failed = await call(assetApp, user, `/api/assets/${id}/unpublish`, { method })
    const busy = await call(assetApp, user, `/api/assets/${id}/unpublish`, { method })
    const gone = await call(assetApp, undefined, `/api/assets/shared/${id}`)
    await passHour(assetApp)
    const repeated = await call(assetApp, user, `/api/assets/${id}/unpublish`, { method })

    t.match([failed.statusCode, failed.json().error.code], [503, 'UNAVAILABLE'])
    t.match([busy.statusCode, busy.json().error.code], [409, 'ASSET_BUSY'])
    t.equal(gone.statusCode, 404)
    t.equal(repeated.statusCode, 200)
  },
)

t.test('the feed shows what everybody has published, without a session', async t => {
  const [user, other] = [await addUser(assetApp), await addUser(assetApp)]
  const owners = [user, other, user]
  const ids: string[] = []
  for (const owner of owners) {
    const { id } = await upload(assetApp, owner)
    await call(assetApp, owner, `/api/assets/${id}/publish`, { method })
    ids.unshift(id)
  }
  await upload(assetApp, user)

  const first = await call(assetApp, undefined, '/api/assets/shared?limit=2')
  const { items, nextCursor } = first.json<{ items: AssetView[]; nextCursor: string }>()
  const second = await call(assetApp, undefined, `/api/assets/shared?limit=1&cursor=${nextCursor}`)
  const wrong = await call(assetApp, undefined, `/api/assets/shared?cursor=${newId()}`)

  t.same(
    [...items, ...second.json().items].map(({ id }) => id),
    ids,
  )
  t.ok(items.every(({ url }) => url.startsWith(cdnUrl)))
  t.same([wrong.statusCode, wrong.json().error.code], [400, 'INVALID_CURSOR'])
})
