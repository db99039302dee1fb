import { newId } from '@funmagic/contract/ids'
import { balanceOf } from '@funmagic/ledger/accounts'
import { findViolations } from '@funmagic/ledger/proof'
import { armFailpoints } from '@funmagic/runtime/failpoints'
import { readBacklog } from '@funmagic/task/outbox'
import { TaskQueue } from '@funmagic/task/queue'
import { taskSettlements } from '@funmagic/task/settlement'
import t from 'tap'
import { Dispatcher } from '../src/dispatcher.ts'
import { addUser, openGateway, submit, submitted, until } from './gateway-app.ts'
import { countEffects, findUnsettled } from './rows.ts'
import { startRedis } from './redis-server.ts'

const gateway = await openGateway(t)
const { database, events } = gateway
const body = { toolSlug: 'painter', input: { prompt: 'a cat' } }
const once = { tasks: 1, reservations: 1, wakeUps: 1 }

t.test(
  'a crash before the commit leaves nothing, and the same request makes one task (K1)',
  async t => {
    const { user, cookie } = await addUser(gateway)
    const key = newId()
    armFailpoints('submit.reserved=throw')

    const crashed = await submit(gateway, body, { cookie, key })
    t.same(await countEffects(database, user.id), { tasks: 0, reservations: 0, wakeUps: 0 })
    const repeat = await submit(gateway, body, { cookie, key })

    t.equal(crashed.statusCode, 500)
    t.equal(repeat.statusCode, 201)
    t.same(await countEffects(database, user.id), once)
    t.match(await balanceOf(database, user.id), { balance: 80, reservedBalance: 20 })
  },
)

t.test('a crash after the commit is answered with the same task, paid for once (K2)', async t => {
  const { user, cookie } = await addUser(gateway)
  const key = newId()
  armFailpoints('submit.committed=throw')

  const crashed = await submit(gateway, body, { cookie, key })
  const repeat = await submit(gateway, body, { cookie, key })

  t.equal(crashed.statusCode, 500)
  t.equal(repeat.statusCode, 201)
  t.same(await countEffects(database, user.id), once)
  t.match(await balanceOf(database, user.id), { balance: 80, reservedBalance: 20 })
})

for (const point of ['relay.locked', 'relay.added']) {
  t.test(`a relay that dies at ${point} sends every wake-up, and none twice (K3)`, async t => {
    const server = await startRedis(t)
    const onError = () => undefined
    const queue = new TaskQueue({ url: server.url, connectionName: 'test', onError })
    const owner = await addUser(gateway)
    for (let i = 0; i < 3; i++) await submitted(gateway, owner)
    const before = (await readBacklog(database)).unsent
    armFailpoints(`${point}=throw`)

    const options = { database, queue, events, intervalMs: 50, batchSize: 100 }
    const dispatcher = new Dispatcher(options)
    t.teardown(async () => {
      await dispatcher[Symbol.asyncDispose]()
      await queue[Symbol.asyncDispose]()
    })
    await until(async () => (await readBacklog(database)).unsent === 0)

    t.match(await queue.counts(), { waiting: before })
  })
}

t.test('after all this the books are right (M6–M8)', async t => {
  t.same(await findViolations(database, taskSettlements), [])
  t.same(await findUnsettled(database), [])
})
