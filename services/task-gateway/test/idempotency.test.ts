import { newId } from '@funmagic/contract/ids'
import { inTransaction } from '@funmagic/database/transaction'
import { balanceOf } from '@funmagic/ledger/accounts'
import { postEntry } from '@funmagic/ledger/entries'
import { findViolations } from '@funmagic/ledger/proof'
import { saveTool } from '@funmagic/task/catalog'
import { taskSettlements } from '@funmagic/task/settlement'
import t from 'tap'
import { addUser, openGateway, submit } from './gateway-app.ts'
import { countEffects, findUnsettled } from './rows.ts'

const gateway = await openGateway(t)
const { database, nudges, tools } = gateway
const body = { toolSlug: 'painter', input: { prompt: 'a cat' } }

t.test('twenty submissions at once under one key are one task with one reservation', async t => {
  const { user, cookie } = await addUser(gateway)
  const key = newId()
  const nudgesBefore = nudges.count

  const sendings = Array.from({ length: 20 }, () => submit(gateway, body, { cookie, key }))
  const responses = await Promise.all(sendings)

  t.same([...new Set(responses.map(response => response.statusCode))], [201])
  t.equal(new Set(responses.map(response => response.body)).size, 1, 'the same reply to each')
  t.same(await countEffects(database, user.id), { tasks: 1, reservations: 1, wakeUps: 1 })
  t.match(await balanceOf(database, user.id), { balance: 80, reservedBalance: 20 })
  t.equal(nudges.count, nudgesBefore + 1)
})

t.test('the order of the properties does not make another body', async t => {
  const { cookie } = await addUser(gateway)
  const key = newId()

  const first = await submit(gateway, body, { cookie, key })
  const turned = '{"input":{"prompt":"a cat"},"toolSlug":"painter"}'
  const second = await submit(gateway, turned, { cookie, key })

  t.equal(second.statusCode, 201)
  t.equal(second.json().task.id, first.json().task.id)
})

t.test('the same key with another body is refused and has no effect', async t => {
  const { user, cookie } = await addUser(gateway)
  const key = newId()
  await submit(gateway, body, { cookie, key })

  const changes = [{ input: { prompt: 'a dog' } }, { stepId: 'sketch' }, { parentTaskId: newId() }]
  for (const change of changes) {
    const response = await submit(gateway, { ...body, ...change }, { cookie, key })
    t.equal(response.statusCode, 422)
    t.equal(response.json().error.code, 'IDEMPOTENCY_MISMATCH')
  }

  t.same(await countEffects(database, user.id), { tasks: 1, reservations: 1, wakeUps: 1 })
})

t.test('two bodies at once under one key: one wins, the other is refused', async t => {
  const { user, cookie } = await addUser(gateway)
  const key = newId()
  const other = { ...body, input: { prompt: 'a dog' } }

  const sendings = Array.from({ length: 10 }, (_, index) =>
    submit(gateway, index % 2 === 0 ? body : other, { cookie, key }),
  )
  const statuses = (await Promise.all(sendings)).map(response => response.statusCode)

  t.same(
    statuses.toSorted((a, b) => a - b),
    [...Array(5).fill(201), ...Array(5).fill(422)],
  )
  t.same(await countEffects(database, user.id), { tasks: 1, reservations: 1, wakeUps: 1 })
})

t.test('another user’s same key is another key', async t => {
  const [one, other] = [await addUser(gateway), await addUser(gateway)]
  const key = newId()

  const first = await submit(gateway, body, { cookie: one.cookie, key })
  const second = await submit(gateway, body, { cookie: other.cookie, key })

  t.equal(second.statusCode, 201)
  t.not(second.json().task.id, first.json().task.id)
  t.same(await countEffects(database, other.user.id), { tasks: 1, reservations: 1, wakeUps: 1 })
})

t.test('a repeat is answered from the record when the tool has been switched off', async t => {
  const { cookie } = await addUser(gateway)
  const key = newId()
  const slug = `tool-${newId()}`
  const [step] = tools.painter.config.steps
  const tool = { ...tools.painter, typeName: 'test', slug, config: { steps: step ? [step] : [] } }
  await saveTool(database, tool)
  const order = { ...body, toolSlug: slug }
  const first = await submit(gateway, order, { cookie, key })
  await saveTool(database, { ...tool, isActive: false })

  const again = await submit(gateway, order, { cookie, key })
  const fresh = await submit(gateway, order, { cookie })

  t.equal(again.statusCode, 201)
  t.equal(again.json().task.id, first.json().task.id)
  t.equal(fresh.statusCode, 409)
  t.equal(fresh.json().error.code, 'TOOL_INACTIVE')
})

t.test('a refused submission leaves its key free', async t => {
  const { user, cookie } = await addUser(gateway, 0)
  const key = newId()

  const refused = await submit(gateway, body, { cookie, key })
  const bonus = { userId: user.id, type: 'bonus', amount: 20, referenceId: newId() } as const
  await inTransaction(database, tx => postEntry(tx, bonus))
  const accepted = await submit(gateway, body, { cookie, key })

  t.equal(refused.statusCode, 402)
  t.equal(accepted.statusCode, 201)
})

t.test('of parallel submissions exactly as many are accepted as the balance pays for', async t => {
  const balance = 130
  const { user, cookie } = await addUser(gateway, balance)

  const sendings = Array.from({ length: 16 }, () => submit(gateway, body, { cookie }))
  const statuses = (await Promise.all(sendings)).map(response => response.statusCode)

  const affordable = Math.floor(balance / 20)
  t.same(
    statuses.toSorted((a, b) => a - b),
    [...Array(affordable).fill(201), ...Array(16 - affordable).fill(402)],
  )
  t.match(await balanceOf(database, user.id), { balance: 10, reservedBalance: 120 })
})

t.test('after all this the books are right, and tasks and credits agree', async t => {
  t.same(await findViolations(database, taskSettlements), [])
  t.same(await findUnsettled(database), [])
})
