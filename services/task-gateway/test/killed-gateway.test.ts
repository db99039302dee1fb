import { newId } from '@funmagic/contract/ids'
import { balanceOf } from '@funmagic/ledger/accounts'
import { findViolations } from '@funmagic/ledger/proof'
import { readBacklog } from '@funmagic/task/outbox'
import { TaskQueue } from '@funmagic/task/queue'
import { taskSettlements } from '@funmagic/task/settlement'
import t from 'tap'
import { addUser, openGateway, until } from './gateway-app.ts'
import { startGateway } from './gateway-process.ts'
import { countEffects, findUnsettled } from './rows.ts'
import { startRedis } from './redis-server.ts'

const gateway = await openGateway(t)
const { databaseUrl, database } = gateway
const nothing = { tasks: 0, reservations: 0, wakeUps: 0 }
const once = { tasks: 1, reservations: 1, wakeUps: 1 }

t.setTimeout(600_000)

t.test('a gateway killed at any point of a submission makes one task of it (K1–K3)', async t => {
  const { url: queueUrl } = await startRedis(t)
  const { user, cookie } = await addUser(gateway)
  const headers = { cookie, 'content-type': 'application/json', 'idempotency-key': newId() }
  const body = JSON.stringify({ toolSlug: 'painter', input: { prompt: 'a cat' } })
  const start = (failpoints?: string) =>
    startGateway(t, { databaseUrl, queueUrl, ...(failpoints && { failpoints }) })
  const submit = async (url: string) => {
    const response = await fetch(`${url}/api/tasks`, { method: 'POST', headers, body })
    return { status: response.status, reply: await response.json() }
  }
  const effects = () => countEffects(database, user.id)

  const first = await start('submit.reserved=kill')
  await t.rejects(submit(first.url))
  t.equal(await first.ended, 'SIGKILL')
  t.same(await effects(), nothing, 'before the commit (K1)')

  const second = await start('submit.committed=kill')
  await t.rejects(submit(second.url))
  t.equal(await second.ended, 'SIGKILL')
  t.same(await effects(), once, 'after the commit (K2)')

  // From here on the relay finds the wake-up by itself, and dies of it.
  t.equal(await (await start('relay.locked=kill')).ended, 'SIGKILL')
  t.equal((await readBacklog(database)).unsent, 1, 'before the wake-up is in the queue (K3)')
  t.equal(await (await start('relay.added=kill')).ended, 'SIGKILL')
  t.equal((await readBacklog(database)).unsent, 1, 'and after')

  const last = await start()
  const { status, reply } = await submit(last.url)
  await until(async () => (await readBacklog(database)).unsent === 0)
  const onError = () => undefined
  const queue = new TaskQueue({ url: queueUrl, connectionName: 'test', onError })
  t.teardown(() => queue[Symbol.asyncDispose]())

  t.match({ status, reply }, { status: 201, reply: { task: { status: 'pending' } } })
  t.same(await effects(), once)
  t.match(await queue.counts(), { waiting: 1 })
  t.match(await balanceOf(database, user.id), { balance: 80, reservedBalance: 20 })
  t.same(await findViolations(database, taskSettlements), [])
  t.same(await findUnsettled(database), [])
})
