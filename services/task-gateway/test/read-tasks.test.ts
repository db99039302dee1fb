import { newId } from '@funmagic/contract/ids'
import t from 'tap'
import { addUser, get, openGateway, post, privateCdnUrl, submitted } from './gateway-app.ts'
import { complete } from './rows.ts'

const gateway = await openGateway(t)
const { app, database, tools } = gateway

t.test('a completed task shows its outputs at addresses that its owner can fetch', async t => {
  const owner = await addUser(gateway)
  const taskId = await submitted(gateway, owner)
  const assetId = await complete(database, taskId)

  const response = await get(gateway, `/api/tasks/${taskId}`, owner)

  t.equal(response.statusCode, 200)
  const { task } = response.json()
  t.match(task, { id: taskId, status: 'completed', progress: 100, error: null })
  t.match(task.output.assets, [{ id: assetId, taskId, visibility: 'private' }])
  t.ok(task.output.assets[0].url.startsWith(`${privateCdnUrl}/private/${owner.user.id}/`))
  t.match(task.output.assets[0].url, /Signature=/)
  t.match(task, { createdAt: /Z$/, startedAt: /Z$/, finishedAt: /Z$/ })
})

t.test('tasks are paged newest first, without a gap or a double', async t => {
  const owner = await addUser(gateway)
  const taskIds: string[] = []
  for (let n = 0; n < 5; n++) taskIds.push(await submitted(gateway, owner))
  const list = async (query: string) => (await get(gateway, `/api/tasks?${query}`, owner)).json()

  const first = await list('limit=3')
  const second = await list(`limit=3&cursor=${first.nextCursor}`)

  const shown = [...first.items, ...second.items].map(task => task.id)
  t.same(shown, taskIds.toReversed())
  t.equal(second.nextCursor, null)
})

t.test('tasks are filtered by status and by tool', async t => {
  const owner = await addUser(gateway)
  const [canceled, pending] = [await submitted(gateway, owner), await submitted(gateway, owner)]
  await post(gateway, `/api/tasks/${canceled}/cancel`, { cookie: owner.cookie })
  const idsOf = async (query: string) => {
    const { items } = (await get(gateway, `/api/tasks?${query}`, owner)).json()
    return items.map((task: { id: string }) => task.id)
  }

  t.same(await idsOf('status=pending'), [pending])
  t.same(await idsOf('status=canceled'), [canceled])
  t.same(await idsOf('toolSlug=painter'), [pending, canceled])
  t.same(await idsOf('toolSlug=background-remove'), [])
})

t.test('a list takes as many queries for many tasks as for one', async t => {
  const owner = await addUser(gateway)
  for (let n = 0; n < 4; n++) await complete(database, await submitted(gateway, owner))
  const queriesOf = async (url: string): Promise<number> => {
    let queries = 0
    const count = () => void (queries += 1)
    database.pool.on('acquire', count)
    const response = await get(gateway, url, owner)
    database.pool.off('acquire', count)
    t.ok(response.json().items.every((task: { output: object }) => task.output !== null))
    return queries
  }
  await queriesOf('/api/tasks?limit=1')

  t.equal(await queriesOf('/api/tasks?limit=100'), await queriesOf('/api/tasks?limit=1'))
})

t.test('anybody sees the tools on offer, and not which provider runs them', async t => {
  await tools.addTool({ slug: 'switched-off', isActive: false })

  const response = await app.inject({ url: '/api/tools' })

  t.equal(response.statusCode, 200)
  const { items, nextCursor } = response.json()
  t.same(items.map((tool: { slug: string }) => tool.slug).sort(), ['background-remove', 'painter'])
  t.equal(nextCursor, null)
  t.notMatch(response.body, /provider/i)
})

t.test('one tool is shown by its slug; switched off it is not there', async t => {
  const slug = `off-${newId()}`
  await tools.addTool({ slug, isActive: false })

  const shown = await app.inject({ url: '/api/tools/painter' })

  t.equal(shown.statusCode, 200)
  t.match(shown.json(), { slug: 'painter', creditsCost: 20, steps: [{ cost: 20 }, { cost: 20 }] })
  for (const missing of [slug, 'never-there', "' OR 1=1", 'x'.repeat(150)]) {
    const response = await app.inject({ url: `/api/tools/${encodeURIComponent(missing)}` })
    t.equal(response.statusCode, 404, missing)
    t.equal(response.json().error.code, 'NOT_FOUND')
  }
})
