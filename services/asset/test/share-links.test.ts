import { newId } from '@funmagic/contract/ids'
import type { CreatedShareLink, OpenedShareLink } from '@funmagic/contract/share-link'
import { sql } from '@funmagic/database/sql'
import t from 'tap'
import { addUser, call, openAssetApp, privateCdnUrl, upload } from './asset-app.ts'

const assetApp = await openAssetApp(t)
const { database } = assetApp
const links = '/api/assets/share-links'
const method = 'POST'

type User = Awaited<ReturnType<typeof addUser>>

async function share(user: User, body: object, key?: string) {
  return call(assetApp, user, links, { method, body, ...(key === undefined ? {} : { key }) })
}

async function makeLink(more: object = {}) {
  const user = await addUser(assetApp)
  const asset = await upload(assetApp, user)
  const reply = await share(user, { assetIds: [asset.id], ...more })
  return { user, asset, link: reply.json<CreatedShareLink>(), status: reply.statusCode }
}

function open(body: object) {
  return call(assetApp, undefined, `${links}/open`, { method, body })
}

function download(body: object) {
  return call(assetApp, undefined, `${links}/download`, { method, body })
}

t.test('a link shows private assets to whoever has it, and originals only if it may', async t => {
  const { user, asset, link, status } = await makeLink({ title: 'Cats' })

  const seen = await open({ token: link.token })
  const refused = await download({ token: link.token, assetId: asset.id })
  await call(assetApp, user, `${links}/${link.id}`, {
    method: 'PATCH',
    body: { allow: { download: true } },
  })
  const allowed = await download({ token: link.token, assetId: asset.id })

  t.equal(status, 201)
  t.match(link, { hasPassword: false, allow: { download: false, showPrompt: false }, views: 0 })
  t.equal(link.url, `/share#${link.token}`)
  const days = (Date.parse(link.expiresAt) - Date.parse(link.createdAt)) / 86_400_000
  t.ok(Math.abs(days - 30) < 0.1)
  const { title, assets } = seen.json<OpenedShareLink>()
  t.equal(title, 'Cats')
  t.equal(assets.length, 1)
  t.match(assets[0], { id: asset.id, prompt: null })
  t.ok(assets[0]?.thumbnailUrl?.startsWith(`${privateCdnUrl}/private/`))
  t.notMatch(seen.body, asset.url.split('?')[0] ?? '', 'not the original')
  t.equal(seen.headers['cache-control'], 'no-store')
  t.match([refused.statusCode, refused.json().error.code], [403, 'FORBIDDEN'])
  t.ok(allowed.json().url.startsWith(`${privateCdnUrl}/private/`))
  const own = await call(assetApp, user, `${links}/${link.id}`)
  t.match(own.json(), { views: 1, downloads: 1 })
})

t.test('a token that is wrong, over, revoked or of a suspended user is the same 404', async t => {
  const [over, revoked, suspended] = [await makeLink(), await makeLink(), await makeLink()]
  await database.query(sql`
    UPDATE share_links SET expires_at = now() - interval '1 second' WHERE id = ${over.link.id}
  `)
  const revoke = () =>
    call(assetApp, revoked.user, `${links}/${revoked.link.id}`, { method: 'DELETE' })
  t.same([(await revoke()).statusCode, (await revoke()).statusCode], [204, 204])
  await database.query(sql`
    UPDATE users SET suspended_at = now() WHERE id = ${suspended.user.user.id}
  `)

  const tokens = [over, revoked, suspended].map(({ link }) => link.token)
  for (const token of [...tokens, 'nonsense', over.link.id, `${over.link.token}x`]) {
    const reply = await open({ token })
    t.match([reply.statusCode, reply.json().error], [404, { code: 'NOT_FOUND', details: null }])
  }
  const { rows } = await database.query(sql`
    SELECT 1 FROM share_links WHERE user_id = ${suspended.user.user.id} AND views > 0
  `)
  t.same(rows, [], 'and nothing was counted')
})

t.test(
  'a password is checked here, tried a few times at most, and left out after that',
  async t => {
    const { user, link } = await makeLink({ password: 'open sesame' })
    const { token } = link

    const codeOf = async (body: object) => (await open({ token, ...body })).json().error?.code
    t.equal(await codeOf({}), 'PASSWORD_REQUIRED')
    t.equal(await codeOf({ proof: `${Date.now() + 1e6}.AAAA` }), 'PASSWORD_REQUIRED')
    t.equal(await codeOf({ password: 'wrong' }), 'PASSWORD_WRONG')
    const { proof } = (await open({ token, password: 'open sesame' })).json<OpenedShareLink>()
    const again = await open({ token, proof: proof?.value })
    t.equal(again.statusCode, 200)
    const tries = await Promise.all(
      Array.from({ length: 14 }, (_, index) => codeOf({ password: `guess ${index}` })),
    )
    t.equal(tries.filter(code => code === 'PASSWORD_WRONG').length, 9, 'with the first, ten')
    t.equal(await codeOf({ password: 'open sesame' }), 'RATE_LIMITED')
    t.equal((await open({ token, proof: proof?.value })).statusCode, 200, 'who is in stays in')
    await call(assetApp, user, `${links}/${link.id}`, {
      method: 'PATCH',
      body: { password: 'new' },
    })
    t.equal(await codeOf({ proof: proof?.value }), 'PASSWORD_REQUIRED', 'a proof dies with it')
    const { rows } = await database.query(sql`
    SELECT to_jsonb(l)::text AS row FROM share_links l WHERE id = ${link.id}
  `)
    t.notMatch(JSON.stringify(rows), token, 'the token is not at rest')
  },
)

t.test('only own assets can be shared, and only own links be seen or changed', async t => {
  const { user, asset, link } = await makeLink()
  const stranger = await addUser(assetApp)

  t.equal((await share(stranger, { assetIds: [asset.id] })).statusCode, 404)
  t.equal((await share(user, { assetIds: [asset.id, newId()] })).statusCode, 404)
  for (const how of [
    {},
    { method: 'PATCH', body: { title: 'mine' } },
    { method: 'DELETE' },
  ] as const) {
    for (const id of [link.id, newId()]) {
      const reply = await call(assetApp, stranger, `${links}/${id}`, how)
      t.match([reply.statusCode, reply.json().error.code], [404, 'NOT_FOUND'])
    }
  }
  t.same((await call(assetApp, stranger, links)).json().items, [])
  t.equal((await open({ token: link.token })).statusCode, 200)
})

t.test('the same request under the same key is the same link; another one is refused', async t => {
  const user = await addUser(assetApp)
  const asset = await upload(assetApp, user)
  const body = { assetIds: [asset.id], password: 'secret' }

  const replies = await Promise.all([1, 2, 3].map(() => share(user, body, 'k1')))
  const other = await share(user, { ...body, password: 'another' }, 'k1')

  const tokens = new Set(replies.map(reply => reply.json<CreatedShareLink>().token))
  t.equal(tokens.size, 1)
  t.match([other.statusCode, other.json().error.code], [422, 'IDEMPOTENCY_MISMATCH'])
})

t.test('a deleted asset is shown no more, and its history says who could see it', async t => {
  const user = await addUser(assetApp)
  const [kept, gone] = [await upload(assetApp, user), await upload(assetApp, user)]
  const link = (await share(user, { assetIds: [gone.id, kept.id] })).json<CreatedShareLink>()
  await open({ token: link.token })
  await call(assetApp, user, `/api/assets/${gone.id}`, { method: 'DELETE' })

  const { assets } = (await open({ token: link.token })).json<OpenedShareLink>()

  t.same(
    assets.map(({ id }) => id),
    [kept.id],
  )
  const history = (await call(assetApp, user, `/api/assets/${kept.id}/events`)).json().items
  t.match(history, [
    { type: 'share_link_opened', by: 'visitor', visibleTo: 'link' },
    { type: 'share_link_created', by: 'owner', visibleTo: 'link' },
    { type: 'created' },
  ])
  t.equal(history.length, 3, 'one event a day, however often it is opened')
})

t.test('what is not a link is a mistake that is named', async t => {
  const user = await addUser(assetApp)
  const { id } = await upload(assetApp, user)
  const bodies = [
    {},
    { assetIds: [] },
    { assetIds: [id, id] },
    { assetIds: Array.from({ length: 201 }, () => newId()) },
    { assetIds: [id], expiresInSeconds: 31_536_001 },
    { assetIds: [id], expiresInSeconds: '60' },
    { assetIds: [id], allow: { upload: true } },
    { assetIds: [id], password: '' },
    { assetIds: [id], userId: newId() },
  ]

  for (const body of bodies) t.equal((await share(user, body)).statusCode, 400)
  t.equal((await open({ token: '\u0000' })).statusCode, 400)
  const page = await call(assetApp, user, `${links}?cursor=nonsense`)
  t.equal(page.json().error.code, 'INVALID_CURSOR')
})

t.test('pages of links repeat nothing, and there are not more live ones than allowed', async t => {
  const user = await addUser(assetApp)
  const { id } = await upload(assetApp, user)
  for (let made = 0; made < 5; made++) await share(user, { assetIds: [id] })

  const first = (await call(assetApp, user, `${links}?limit=3`)).json()
  const rest = (await call(assetApp, user, `${links}?limit=3&cursor=${first.nextCursor}`)).json()
  await database.query(sql`
    INSERT INTO share_links (id, user_id, token_hash, expires_at)
    SELECT gen_random_uuid(), ${user.user.id}, md5(n::text) || md5(${user.user.id} || n),
      now() + interval '1 day' FROM generate_series(1, 195) AS n
  `)
  const tooMany = await share(user, { assetIds: [id] })

  const ids = [...first.items, ...rest.items].map(item => item.id)
  t.equal(new Set(ids).size, 5)
  t.equal(rest.nextCursor, null)
  t.match([tooMany.statusCode, tooMany.json().error.code], [429, 'TOO_MANY_SHARE_LINKS'])
})
