import type { SharedAssetView, SharePageView } from '@funmagic/contract/publication'
import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import t from 'tap'
import { addUser, call, openAssetApp, upload } from './asset-app.ts'

const assetApp = await openAssetApp(t)
const { database, app } = assetApp
const method = 'POST'

type User = Awaited<ReturnType<typeof addUser>>

/** As if the asset had been made by a tool: what a task points at besides is left out. */
async function madeByTask(user: User, assetId: string, prompt: string): Promise<void> {
  const taskId = newId()
  await inTransaction(database, async tx => {
    await tx.query(sql`SET LOCAL session_replication_role = replica`)
    await tx.query(sql`
      INSERT INTO tasks (id, user_id, tool_id, tool_slug, tool_version, step, current_step_id,
        reservation_id, credits_cost, deadline_at, request_id)
      VALUES (${taskId}, ${user.user.id}, ${newId()}, 'figme', 1, '{}', 'image-gen', ${newId()}, 1,
        now(), 'test')
    `)
    await tx.query(sql`
      INSERT INTO task_payloads (id, task_id, input)
      VALUES (${newId()}, ${taskId}, ${JSON.stringify({ prompt })}::jsonb)
    `)
    await tx.query(
      sql`UPDATE assets SET task_id = ${taskId}, task_output = 0 WHERE id = ${assetId}`,
    )
  })
}

function publish(user: User, id: string, body?: unknown) {
  return call(assetApp, user, `/api/assets/${id}/publish`, { method, body })
}

async function readPage(id: string): Promise<SharePageView> {
  return (await call(assetApp, undefined, `/api/assets/shared/${id}`)).json()
}

t.test('a page shows what its owner said, and the prompt only when it is to be seen', async t => {
  const user = await addUser(assetApp)
  const { id } = await upload(assetApp, user)
  await madeByTask(user, id, 'a cat in space')

  await publish(user, id, { caption: 'Cat', allowRemix: true })
  const hidden = await readPage(id)
  await publish(user, id, { caption: 'Space cat', showPrompt: true, allowRemix: true })
  const shown = await readPage(id)
  await publish(user, id)
  const unchanged = await readPage(id)

  const remix = { toolSlug: 'figme', stepId: 'image-gen' }
  t.match(hidden, { caption: 'Cat', prompt: null, remix: { ...remix, prompt: null } })
  t.match(hidden.author, { id: user.user.id, name: user.user.name })
  t.equal(hidden.image, hidden.cardUrl)
  t.equal(hidden.taskId, null)
  t.match(shown, { caption: 'Space cat', prompt: 'a cat in space' })
  t.same(shown.remix, { ...remix, prompt: 'a cat in space' })
  t.same(unchanged, shown, 'an empty body says nothing')
})

t.test('without a word there is no caption, no prompt and no remix', async t => {
  const user = await addUser(assetApp)
  const { id } = await upload(assetApp, user)
  await madeByTask(user, id, 'secret')

  const reply = await publish(user, id)

  t.equal(reply.statusCode, 200)
  t.match(await readPage(id), { caption: null, prompt: null, remix: null, parent: null })
})

t.test('what was said ends with the publication', async t => {
  const user = await addUser(assetApp)
  const { id } = await upload(assetApp, user)
  await publish(user, id, { caption: 'First' })

  await call(assetApp, user, `/api/assets/${id}/unpublish`, { method })
  await publish(user, id)

  t.equal((await readPage(id)).caption, null)
})

t.test('the picture it was made of is named while that is public, and not after', async t => {
  const [user, other] = [await addUser(assetApp), await addUser(assetApp)]
  const [parent, child] = [await upload(assetApp, other), await upload(assetApp, user)]
  await database.query(sql`UPDATE assets SET parent_asset_id = ${parent.id} WHERE id = ${child.id}`)
  await publish(user, child.id)

  const alone = await readPage(child.id)
  await publish(other, parent.id, { caption: 'Origin' })
  const traced = await readPage(child.id)

  t.equal(alone.parent, null)
  t.same(traced.parent, {
    id: parent.id,
    caption: 'Origin',
    author: { id: other.user.id, name: other.user.name },
  })
})

t.test('a reader who has the page is told so, and is told at once when it is gone', async t => {
  const user = await addUser(assetApp)
  const { id } = await upload(assetApp, user)
  await publish(user, id)
  const url = `/api/assets/shared/${id}`
  const first = await call(assetApp, undefined, url)
  const etag = String(first.headers['etag'])
  const again = () => app.inject({ url, headers: { 'if-none-match': `"x", W/${etag}` } })

  const known = await again()
  await publish(user, id, { caption: 'Changed' })
  const changed = await again()
  await call(assetApp, user, `/api/assets/${id}/unpublish`, { method })
  const gone = await again()
  await publish(user, id)
  await call(assetApp, user, `/api/assets/${id}`, { method: 'DELETE' })
  const deleted = await again()

  t.equal(first.headers['cache-control'], 'public, no-cache')
  t.same([known.statusCode, known.body, known.headers['etag']], [304, '', etag])
  t.equal(changed.statusCode, 200)
  t.same([gone.statusCode, gone.headers['cache-control']], [404, 'no-store'])
  t.equal(deleted.statusCode, 404)
})

t.test('the feed can be narrowed to a user and a module, and keeps its place', async t => {
  const [user, other] = [await addUser(assetApp), await addUser(assetApp)]
  const ids: string[] = []
  for (const owner of [user, other, user, user]) {
    const { id } = await upload(assetApp, owner)
    await publish(owner, id, { caption: `Number ${ids.length}` })
    if (owner === user) ids.unshift(id)
  }
  const read = async (query: string) => {
    const reply = await call(assetApp, undefined, `/api/assets/shared?${query}`)
    return reply.json<{ items: SharedAssetView[]; nextCursor: string | null }>()
  }

  const first = await read(`userId=${user.user.id}&module=gallery&limit=2`)
  const rest = await read(`userId=${user.user.id}&limit=2&cursor=${first.nextCursor}`)
  const none = await read(`userId=${user.user.id}&module=avatar`)

  t.same(
    [...first.items, ...rest.items].map(({ id }) => id),
    ids,
  )
  t.match(first.items[0], { caption: 'Number 2', author: { name: user.user.name } })
  t.same([rest.nextCursor, none.items], [null, []])
})

t.test('what cannot be said is refused, and nothing is published', async t => {
  const user = await addUser(assetApp)
  const { id } = await upload(assetApp, user)
  const bodies = [
    { caption: '' },
    { caption: 'x'.repeat(501) },
    { caption: 'nul \u0000' },
    { showPrompt: 'yes' },
    { postId: newId() },
    [],
  ]

  for (const body of bodies) {
    t.equal((await publish(user, id, body)).statusCode, 400, JSON.stringify(body))
  }
  t.equal((await call(assetApp, undefined, `/api/assets/shared/${id}`)).statusCode, 404)
})

t.test('an asset whose bytes are gone is not published, and stays as it was', async t => {
  const user = await addUser(assetApp)
  const asset = await upload(assetApp, user)
  const { rows } = await database.query<{ key: string }>(
    sql`SELECT storage_key AS key FROM assets WHERE id = ${asset.id}`,
  )
  await assetApp.memory.remove({ bucket: 'private', key: rows[0]?.key ?? '' })

  const refused = await publish(user, asset.id)

  t.same([refused.statusCode, refused.json().error.code], [409, 'ASSET_BYTES_MISSING'])
  const read = await call(assetApp, user, `/api/assets/${asset.id}`)
  t.equal(read.json().visibility, 'private')
})
