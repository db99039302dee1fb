import { newId } from '@funmagic/contract/ids'
import type { ToolView } from '@funmagic/contract/tool'
import { sql } from '@funmagic/database/sql'
import { balanceOf } from '@funmagic/ledger/accounts'
import { createBreaker } from '@funmagic/provider/breaker'
import { openCredentials } from '@funmagic/provider/credentials'
import { recordHealth } from '@funmagic/provider/health'
import { findProvider, saveProvider } from '@funmagic/provider/providers'
import { saveTool, type Tool } from '@funmagic/task/catalog'
import t from 'tap'
import { sample } from '../src/jobs/sample.ts'
import {
  addUser,
  openGateway,
  post,
  submit,
  submitted,
  until,
  type Gateway,
} from './gateway-app.ts'

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

t.test('a provider that was seen up a moment ago is refused once it is down', async t => {
  const gateway = await openGateway(t)
  const { cookie } = await addUser(gateway)
  const quote = () => post(gateway, '/api/quotes', { cookie, body })
  t.equal((await quote()).statusCode, 200)

  await bringDown(gateway, 100_000)

  await until(async () => (await quote()).statusCode === 503)
  t.match((await quote()).json(), { error: { code: 'PROVIDER_UNAVAILABLE' } })
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

/** The painter's steps with Gemini behind OpenAI; its own tool, so that both can be told apart. */
async function addFallback(gateway: Gateway): Promise<Tool> {
  const { database, tools } = gateway
  const id = newId()
  const credentials = await openCredentials('a secret of this test only')
  const google = { id, name: 'google', type: 'google', apiKey: 'key', baseUrl: null } as const
  await saveProvider(database, credentials, google)
  const fallbacks = [{ providerId: id, providerModel: 'gemini-2.5-flash-image' }]
  const { type, slug, config, ...rest } = tools.painter
  const steps = config.steps.map(step => ({ ...step, fallbacks }))
  return saveTool(database, { ...rest, slug, typeName: type.name, config: { steps } })
}

async function setHealth({ database }: Gateway, id: string, isHealthy: boolean): Promise<void> {
  const provider = await findProvider(database, id)
  if (provider === undefined) throw new Error('no provider')
  await recordHealth(database, { provider, isHealthy })
}

t.test('a step with another model is refused only when none of them is there (V9)', async t => {
  const gateway = await openGateway(t)
  const { user, cookie } = await addUser(gateway)
  const tool = await addFallback(gateway)
  const fallbackId = tool.config.steps[0]?.fallbacks?.[0]?.providerId ?? ''

  await setHealth(gateway, providerOf(tool), false)
  t.equal((await submit(gateway, body, { cookie })).statusCode, 201)
  const odd = { ...body, input: { prompt: 'a cat', size: '1024x1536' } }
  t.equal((await submit(gateway, odd, { cookie })).statusCode, 503, 'the other has no such size')
  await setHealth(gateway, fallbackId, false)
  t.equal((await submit(gateway, body, { cookie })).statusCode, 503)

  t.match(await balanceOf(gateway.database, user.id), { balance: 80, reservedBalance: 20 })
})

t.test('a tool tells whether its steps can be run now, and names no provider', async t => {
  const gateway = await openGateway(t)
  const tool = await addFallback(gateway)
  await setHealth(gateway, providerOf(tool), false)
  await setHealth(gateway, providerOf(gateway.tools.remover), false)

  const reply = await gateway.app.inject('/api/tools')

  const { items } = reply.json<{ items: ToolView[] }>()
  const [painter, remover] = ['painter', 'background-remove'].map(
    slug => items.find(item => item.slug === slug)?.steps[0],
  )
  t.match(painter, { isAvailable: true, isDegraded: true })
  t.match(remover, { isAvailable: false, isDegraded: false })
  t.notMatch(reply.body, /google|openai|gemini|gpt/)
})

t.test('what may be spent in a day is spent: no new tasks until midnight, free (C7)', async t => {
  const gateway = await openGateway(t)
  const owner = await addUser(gateway)
  const { user, cookie } = owner
  const { database, tools, metrics, events } = gateway
  const providerId = providerOf(tools.painter)
  const earlier = await submitted(gateway, owner)
  const setBudget = (config: object) =>
    database.query(sql`
      UPDATE providers SET config = ${JSON.stringify(config)}::jsonb WHERE id = ${providerId}
    `)
  const addCall = (attempt: number) =>
    database.query(sql`
      INSERT INTO provider_calls (id, task_id, step_id, attempt, provider, provider_id, model,
        cost_micro_usd, created_at)
      VALUES (${newId()}, ${earlier}, 'sketch', ${attempt}, 'openai', ${providerId}, 'm', 400000,
        now() - ${attempt === 9 ? 1 : 0} * interval '1 day')
    `)
  await setBudget({ costPerCallUsd: 0.4, dailyBudgetUsd: 0.8 })
  await addCall(9)
  await addCall(1)
  t.equal((await submit(gateway, body, { cookie })).statusCode, 201, 'yesterday does not count')
  await addCall(2)

  const refused = await submit(gateway, body, { cookie })

  t.match(refused.json(), { error: { code: 'PROVIDER_UNAVAILABLE' } })
  const seconds = Number(refused.headers['retry-after'])
  t.ok(seconds > 0 && seconds <= 86_400, String(seconds))
  t.match(await balanceOf(database, user.id), { balance: 60, reservedBalance: 40 })
  const counts = async () => ({ waiting: 0, active: 0, failed: 0 })
  await sample({ database, events, queue: { counts } })
  t.match(await metrics.registry.metrics(), /provider_budget_used_ratio\{provider="openai".*\} 1/)
})
