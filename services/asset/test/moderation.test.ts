import { newId } from '@funmagic/contract/ids'
import { createTestUser } from '@funmagic/session/testing'
import t from 'tap'
import { addUser, call, openAssetApp, upload } from './asset-app.ts'

const assetApp = await openAssetApp(t)
const admin = await createTestUser(assetApp.database, { role: 'admin' })
const body = { reason: 'Reported by its subject' }
const operations = ['unpublish', 'delete', 'read'] as const

function moderate(
  who: Parameters<typeof call>[1],
  operation: string,
  { id, sent = body }: { id: string; sent?: unknown },
) {
  const url = `/api/admin/assets/${id}/${operation}`
  return call(assetApp, who, url, { method: 'POST', body: sent })
}

t.test('only administrators moderate, what is there, and never without a reason', async t => {
  const user = await addUser(assetApp)
  const { id } = await upload(assetApp, user)

  for (const operation of operations) {
    const answers = [
      await moderate(undefined, operation, { id }),
      await moderate(user, operation, { id }),
      await moderate(admin, operation, { id: newId() }),
      await moderate(admin, operation, { id: 'x' }),
      await moderate(admin, operation, { id, sent: {} }),
      await moderate(admin, operation, { id, sent: { reason: '' } }),
    ]
    const statuses = answers.map(({ statusCode }) => statusCode)
    t.same(statuses, [401, 403, 404, 400, 400, 400], operation)
  }
  t.equal((await moderate(admin, 'publish', { id })).statusCode, 404, 'nobody publishes for others')
  t.equal((await call(assetApp, user, `/api/assets/${id}`)).statusCode, 200)
})

t.test('an administrator takes an asset out of the public, and its owner sees why', async t => {
  const user = await addUser(assetApp)
  const { id } = await upload(assetApp, user)
  await call(assetApp, user, `/api/assets/${id}/publish`, { method: 'POST' })

  const reply = await moderate(admin, 'unpublish', { id })

  t.equal(reply.statusCode, 204)
  t.equal((await call(assetApp, undefined, `/api/assets/shared/${id}`)).statusCode, 404)
  const { items } = (await call(assetApp, user, `/api/assets/${id}/events`)).json()
  const event = { type: 'unpublished', by: 'administrator', visibleTo: 'owner', ...body }
  t.match(items[0], event)
  t.notMatch(JSON.stringify(items), admin.user.id, 'but not who')
})

t.test('private bytes are read for a reason that is in the history', async t => {
  const user = await addUser(assetApp)
  const { id, sizeBytes } = await upload(assetApp, user)

  const { url, urlExpiresAt } = (await moderate(admin, 'read', { id })).json()

  t.equal((await assetApp.memory.fetch(url))?.length, sizeBytes)
  t.ok(Date.parse(urlExpiresAt) - Date.now() <= 300_000)
  const { items } = (await call(assetApp, user, `/api/assets/${id}/events`)).json()
  t.match(items[0], { type: 'read', by: 'administrator', visibleTo: null, ...body })
})

t.test('an administrator deletes an asset for good', async t => {
  const user = await addUser(assetApp)
  const { id } = await upload(assetApp, user)

  const first = await moderate(admin, 'delete', { id })
  const again = await moderate(admin, 'delete', { id })

  t.same([first.statusCode, again.statusCode], [204, 404])
  t.equal((await call(assetApp, user, `/api/assets/${id}`)).statusCode, 404)
})
