import { newId } from '@funmagic/contract/ids'
import type { AssetView } from '@funmagic/contract/asset'
import t from 'tap'
import { addUser, call, openAssetApp, privateCdnUrl, upload } from './asset-app.ts'

const assetApp = await openAssetApp(t)

t.test('many addresses are resolved at once, in order, and the rest is missing', async t => {
  const [user, other] = [await addUser(assetApp), await addUser(assetApp)]
  const [a, b] = [await upload(assetApp, user), await upload(assetApp, user)]
  const foreign = await upload(assetApp, other)
  const nobody = newId()
  const body = { ids: [b.id, foreign.id, a.id, nobody] }

  const response = await call(assetApp, user, '/api/assets/resolve', { method: 'POST', body })

  const linksOf = ({ id, url, urlExpiresAt, thumbnailUrl, cardUrl }: AssetView) => {
    return { id, url, urlExpiresAt, thumbnailUrl, cardUrl }
  }
  t.equal(response.statusCode, 200)
  t.same(response.json(), { items: [linksOf(b), linksOf(a)], missing: [foreign.id, nobody] })
})

t.test('requests about many assets are bounded', async t => {
  const user = await addUser(assetApp)
  const many = Array.from({ length: 201 }, () => newId())
  const [id = ''] = many
  const bodies = [{ ids: many }, { ids: [] }, { ids: [id, id] }, { ids: ['x'] }, { id }, {}]

  for (const url of ['/api/assets/resolve', '/api/assets/delete']) {
    for (const body of bodies) {
      const response = await call(assetApp, user, url, { method: 'POST', body })
      t.equal(response.statusCode, 400)
      t.equal(response.json().error.code, 'VALIDATION_FAILED')
    }
    const body = { ids: many.slice(0, 200) }
    const most = await call(assetApp, user, url, { method: 'POST', body })
    t.equal(most.statusCode, 200)
  }
  for (const query of [many.join(','), '', 'x', `${id},`, `${id},..%2fx`]) {
    const response = await call(assetApp, user, `/api/assets/download?ids=${query}`)
    t.equal(response.statusCode, 400, query.slice(0, 40))
  }
})

t.test('many assets are deleted at once, each for itself, as often as one likes', async t => {
  const [user, other] = [await addUser(assetApp), await addUser(assetApp)]
  const [a, b] = [await upload(assetApp, user), await upload(assetApp, user)]
  const foreign = await upload(assetApp, other)
  const nobody = newId()
  const body = { ids: [a.id, nobody, foreign.id, b.id] }
  const remove = () => call(assetApp, user, '/api/assets/delete', { method: 'POST', body })

  const [first, again] = [await remove(), await remove()]

  t.same(first.json().items, [
    { id: a.id, outcome: 'deleted' },
    { id: nobody, outcome: 'missing' },
    { id: foreign.id, outcome: 'missing' },
    { id: b.id, outcome: 'deleted' },
  ])
  t.same(again.json(), first.json())
  t.same((await call(assetApp, user, '/api/assets')).json().items, [])
  const kept = await call(assetApp, other, `/api/assets/${foreign.id}`)
  t.equal(kept.statusCode, 200, 'and another’s stays')
})

t.test('an asset is renamed and tagged by its owner, and found by it', async t => {
  const [user, other] = [await addUser(assetApp), await addUser(assetApp)]
  const asset = await upload(assetApp, user)
  const url = `/api/assets/${asset.id}`
  const body = { filename: 'My cat.png', tags: ['Cats', 'Studio'] }
  const edit = (edited: unknown, who = user) =>
    call(assetApp, who, url, { method: 'PATCH', body: edited })

  const edited = await edit(body)

  t.same(edited.json(), { ...asset, filename: 'My cat.png', tags: ['cats', 'studio'] })
  for (const query of ['q=my%20CAT', 'tags=cats,studio', 'kind=image&q=studio']) {
    const found = await call(assetApp, user, `/api/assets?${query}`)
    t.same(found.json().items, [edited.json()], query)
  }
  t.equal((await edit(body, other)).statusCode, 404)
  const faults = [{}, { tags: ['a,b'] }, { tags: 'a' }, { tags: Array(21).fill('a') }, { id: 1 }]
  for (const fault of faults) t.equal((await edit(fault)).statusCode, 400, JSON.stringify(fault))
  t.equal((await edit({ tags: ['a\u0000'] })).json().error.code, 'INVALID_TEXT')
})

t.test('what is no filter is told so', async t => {
  const user = await addUser(assetApp)
  const queries = [
    'q=',
    `q=${'a'.repeat(201)}`,
    'kind=text',
    'createdFrom=2026-02-30T00:00:00Z',
    'createdFrom=yesterday',
    'createdTo=2026-01-01T00:00:00',
    'tags=',
    'q=a&q=b',
  ]

  for (const query of queries) {
    const response = await call(assetApp, user, `/api/assets?${query}`)
    t.equal(response.statusCode, 400, query)
    t.equal(response.json().error.code, 'VALIDATION_FAILED', query)
  }
  const literal = await call(
    assetApp,
    user,
    `/api/assets?q=${encodeURIComponent(String.raw`%_\'`)}`,
  )
  t.same(literal.json(), { items: [], nextCursor: null })
})

t.test('a cursor of another user or another filter is refused', async t => {
  const [user, other] = [await addUser(assetApp), await addUser(assetApp)]
  for (let made = 0; made < 2; made++) await upload(assetApp, user)
  const { nextCursor } = (await call(assetApp, user, '/api/assets?limit=1')).json()
  const list = (who: typeof user, query: string) => call(assetApp, who, `/api/assets?${query}`)

  t.equal((await list(user, `limit=2&cursor=${nextCursor}`)).statusCode, 200)
  const refused = [
    await list(other, `cursor=${nextCursor}`),
    await list(user, `cursor=${nextCursor}&module=gallery`),
    await list(user, `cursor=${newId()}`),
  ]
  for (const response of refused) {
    t.equal(response.statusCode, 400)
    t.equal(response.json().error.code, 'INVALID_CURSOR')
  }
})

t.test('the history of an asset is its owner’s to read', async t => {
  const [user, other] = [await addUser(assetApp), await addUser(assetApp)]
  const asset = await upload(assetApp, user)
  await call(assetApp, user, `/api/assets/${asset.id}/publish`, { method: 'POST' })
  const url = `/api/assets/${asset.id}/events`

  const { items } = (await call(assetApp, user, url)).json()
  const [foreign, absent] = [
    await call(assetApp, other, url),
    await call(assetApp, other, `/api/assets/${newId()}/events`),
  ]

  t.match(items, [
    { type: 'published', visibleTo: 'everybody' },
    { type: 'created', visibleTo: 'owner' },
  ])
  t.same([foreign.statusCode, absent.statusCode], [404, 404])
})

t.test('a browser is let into its user’s folder and no other, and out again', async t => {
  const user = await addUser(assetApp)
  const url = '/api/assets/session-cookies'

  const opened = await call(assetApp, user, url, { method: 'POST' })
  const closed = await call(assetApp, user, url, { method: 'DELETE' })

  const folder = `/private/${user.user.id}/`
  t.equal(opened.json().folderUrl, `${privateCdnUrl}${folder}`)
  const lines = [opened.headers['set-cookie']].flat()
  t.equal(lines.length, 3)
  for (const line of lines) {
    t.match(line, /^CloudFront-(Policy|Signature|Key-Pair-Id)=[A-Za-z0-9_~-]+; Max-Age=\d+; /)
    t.match(line, `Path=${folder}; HttpOnly; SameSite=Lax; Secure; Domain=funmagic.test`)
  }
  t.equal(closed.statusCode, 204)
  for (const line of [closed.headers['set-cookie']].flat()) {
    t.match(line, `=; Max-Age=0; Path=${folder}; HttpOnly`)
  }
})
