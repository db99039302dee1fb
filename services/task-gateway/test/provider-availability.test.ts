import { balanceOf } from '@funmagic/ledger/accounts'
import { createBreaker } from '@funmagic/provider/breaker'
import { recordHealth } from '@funmagic/provider/health'
import { findProvider } from '@funmagic/provider/providers'
import type { Tool } from '@funmagic/task/catalog'
import t from 'tap'
import { addUser, openGateway, post, submit, type Gateway } from './gateway-app.ts'

const body = { toolSlug: 'painter', input: { prompt: 'a cat' } }

function providerOf({ config }: Tool): string {
  const providerId = config.steps[0]?.providerId
  if (providerId === undefined) throw new Error('the tool has no step')
  return providerId
}

/** Five failures of the painter's provider, so long ago that it is down for longer by now. */
async function bringDown({ redis, tools }: Gateway, agoMs: number): Promise<void> {
  const caller = { providerId: providerOf(tools.painter), holder: 'a-task' }
  const clock = { nowMs: Date.now() - agoMs }
  const breaker = createBreaker({ redis, scope: 'web', now: () => clock.nowMs })
  for (let failures = 0; failures < 5; failures++) await breaker.report(caller, 'failure')
  // Its probes have failed since.
  while (clock.nowMs < Date.now()) {
    clock.nowMs += 10_000
    await breaker.admit(caller, { isRetry: false })
    await breaker.report(caller, 'failure')
  }
}

t.test('a task for a provider that is down is refused before it costs anything (V-3)', async t => {
  const gateway = await openGateway(t)
  const { user, cookie } = await addUser(gateway)
  await bringDown(gateway, 100_000)

  const refused = await submit(gateway, body, { cookie })
  const quote = await post(gateway, '/api/quotes', { cookie, body })

  t.match(refused.json(), { error: { code: 'PROVIDER_UNAVAILABLE' } })
  t.equal(refused.statusCode, 503)
  t.ok(Number(refused.headers['retry-after']) > 0)
  t.equal(quote.statusCode, 503)
  t.match(await balanceOf(gateway.database, user.id), { balance: 100, reservedBalance: 0 })
})

t.test('a provider that has just gone down keeps its tasks waiting instead', async t => {
  const gateway = await openGateway(t)
  const { cookie } = await addUser(gateway)
  await bringDown(gateway, 0)

  t.equal((await submit(gateway, body, { cookie })).statusCode, 201)
})

t.test(
  'a provider that refuses our key takes no tasks until it accepts it again (V-8)',
  async t => {
    const gateway = await openGateway(t)
    const { cookie } = await addUser(gateway)
    const { database, tools } = gateway
    const provider = await findProvider(database, providerOf(tools.painter))
    if (provider === undefined) throw new Error('no provider')

    await recordHealth(database, { provider, isHealthy: false })
    t.equal((await submit(gateway, body, { cookie })).statusCode, 503)

    await recordHealth(database, { provider, isHealthy: true })
    t.equal((await submit(gateway, body, { cookie })).statusCode, 201)
  },
)
