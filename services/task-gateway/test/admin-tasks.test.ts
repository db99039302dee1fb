import { newId } from '@funmagic/contract/ids'
import { balanceOf } from '@funmagic/ledger/accounts'
import { listAdminEvents } from '@funmagic/session/admin-events'
import t from 'tap'
import { addOperator, send } from './admin-app.ts'
import { addUser, openGateway, submitted } from './gateway-app.ts'
import { complete } from './rows.ts'

const gateway = await openGateway(t)
const { database } = gateway
const { cookie, user: admin } = await addOperator(gateway)
const reason = 'asked by its owner'

t.test('an operator lists the tasks of everybody, by user, tool, status and time', async t => {
  const [one, other] = [await addUser(gateway), await addUser(gateway)]
  const taskId = await submitted(gateway, one)
  await submitted(gateway, other)
  const list = async (query: string) =>
    (await send(gateway, `GET /api/admin/tasks?${query}`, { cookie })).json()

  t.equal((await list('limit=100')).items.length, 2)
  t.match(await list(`userId=${one.user.id}`), { items: [{ id: taskId, status: 'pending' }] })
  t.same((await list(`userId=${one.user.id}&status=failed`)).items, [])
  t.same((await list('errorCode=POISON')).items, [])
  t.same((await list('createdBefore=2020-01-01T00:00:00Z')).items, [])
  t.same((await list('toolSlug=never-there')).items, [])
  const page = await list('limit=1')
  t.equal((await list(`limit=1&cursor=${page.nextCursor}`)).nextCursor, null)
  for (const query of ['createdFrom=2026-02-30T00:00:00Z', 'errorCode=%27', 'status=done', 'x=1']) {
    t.equal((await list(query)).error.code, 'VALIDATION_FAILED', query)
  }
})

t.test('what happened to a task is shown, and nothing of what its user wrote', async t => {
  const taskId = await submitted(gateway, await addUser(gateway))
  await complete(database, taskId)

  const response = await send(gateway, `GET /api/admin/tasks/${taskId}`, { cookie })

  t.match(response.json(), {
    task: { id: taskId, status: 'completed' },
    steps: [{ stepId: 'sketch', status: 'completed' }],
    calls: [],
    providerRequest: null,
  })
  t.notMatch(response.body, /a cat/)
})

t.test(
  'an operator cancels anybody’s task once, with a reason, and its credits return',
  async t => {
    const { user, ...owner } = await addUser(gateway)
    const taskId = await submitted(gateway, { user, ...owner })
    const path = `POST /api/admin/tasks/${taskId}/cancel` as const

    const blind = await send(gateway, path, { cookie, body: {} })
    const canceled = await send(gateway, path, { cookie, body: { reason } })
    const again = await send(gateway, path, { cookie, body: { reason } })

    t.equal(blind.json().error.details.faults[0].pointer, '/reason')
    t.equal(canceled.json().status, 'canceled')
    t.equal(again.json().error.code, 'TASK_FINISHED')
    t.match(await balanceOf(database, user.id), { balance: 100, reservedBalance: 0 })
    const filter = { subjectType: 'task', subjectId: taskId } as const
    const { items } = await listAdminEvents(database, filter, { limit: 9, beforeId: undefined })
    t.match(items, [{ actorId: admin.id, action: 'task.canceled', reason }])
    const absent = `POST /api/admin/tasks/${newId()}/cancel` as const
    t.equal((await send(gateway, absent, { cookie, body: { reason } })).statusCode, 404)
  },
)
