import { setTimeout as wait } from 'node:timers/promises'
import type { Feature } from '@funmagic/contract/features'
import { newId } from '@funmagic/contract/ids'
import type { CreatedShareLink } from '@funmagic/contract/share-link'
import { inTransaction } from '@funmagic/database/transaction'
import { bucketOf, changeFeature } from '@funmagic/session/features'
import type { TestUser } from '@funmagic/session/testing'
import t from 'tap'
import { addUser, call, openAssetApp, upload } from './asset-app.ts'

const links = '/api/assets/share-links'
const method = 'POST'

type AssetApp = Awaited<ReturnType<typeof openAssetApp>>

function open({ database }: AssetApp, feature: Feature, percent: number): Promise<number> {
  return inTransaction(database, tx => changeFeature(tx, { feature, percent }))
}

/** Publishes what is not there: 404 to whom publishing is open, and 403 to the others. */
async function tryPublishing(assetApp: AssetApp, user: TestUser): Promise<number> {
  const reply = await call(assetApp, user, `/api/assets/${newId()}/publish`, { method })
  return reply.statusCode
}

t.test('without publishing and links none is made; those there can be read and ended', async t => {
  const assetApp = await openAssetApp(t)
  const user = await addUser(assetApp)
  const { id } = await upload(assetApp, user)
  const body = { assetIds: [id] }
  const publish = () => call(assetApp, user, `/api/assets/${id}/publish`, { method })
  const share = () => call(assetApp, user, links, { method, body })
  const published = await publish()
  const link = (await share()).json<CreatedShareLink>()

  await open(assetApp, 'share-links', 0)
  await open(assetApp, 'publishing', 0)
  const deadline = performance.now() + 20_000
  while (performance.now() < deadline && (await tryPublishing(assetApp, user)) !== 403) {
    await wait(50)
  }
  const refusals = [await publish(), await share()]
  const shared = await call(assetApp, undefined, `/api/assets/shared/${id}`)
  const token = { token: link.token }
  const opened = await call(assetApp, undefined, `${links}/open`, { method, body: token })
  const unpublished = await call(assetApp, user, `/api/assets/${id}/unpublish`, { method })
  const revoked = await call(assetApp, user, `${links}/${link.id}`, { method: 'DELETE' })

  t.equal(published.statusCode, 200)
  t.match(
    refusals.map(reply => reply.json().error),
    [
      { code: 'FEATURE_OFF', details: { feature: 'publishing' } },
      { code: 'FEATURE_OFF', details: { feature: 'share-links' } },
    ],
  )
  t.same([shared.statusCode, opened.statusCode], [200, 200])
  t.same([unpublished.statusCode, revoked.statusCode], [200, 204])
})

t.test('opened to a share, it is open to those of the share and to nobody else', async t => {
  const assetApp = await openAssetApp(t)
  await open(assetApp, 'publishing', 50)
  const users = await Promise.all(Array.from({ length: 20 }, () => addUser(assetApp)))

  for (const user of users) {
    const expected = bucketOf('publishing', user.user.id) < 50 ? 404 : 403
    t.equal(await tryPublishing(assetApp, user), expected)
  }
})
