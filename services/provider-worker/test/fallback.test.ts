import { newId, type TaskId } from '@funmagic/contract/ids'
import type { StepFallback } from '@funmagic/contract/tool'
import { sql } from '@funmagic/database/sql'
import { recordHealth } from '@funmagic/provider/health'
import { findProvider, saveProvider } from '@funmagic/provider/providers'
import { openCredentials } from '@funmagic/provider/credentials'
import t from 'tap'
import { createGatedRunner } from './gate-fixture.ts'
import {
  assertBooks,
  callsOf,
  createRunner,
  eventsOf,
  planShutdown,
  readTask,
  type Runner,
} from './runner.ts'
import { until } from './until.ts'
import { secretKey, submitTask, type World } from './worker-world.ts'

/** The step's model of another tool, as a fallback. */
function modelOf({ tools }: World, tool: keyof World['tools']): StepFallback {
  const [step] = tools[tool].config.steps
  if (step === undefined) throw new Error('the tool has no step')
  return { providerId: step.providerId, providerModel: step.providerModel }
}

/** A picture of OpenAI's, or of Gemini's while OpenAI is away. */
function paint(
  world: World,
  input: { prompt: string; size?: string } = { prompt: 'a lighthouse' },
) {
  return submitTask(world, { tool: 'openai', input, fallbacks: [modelOf(world, 'google')] })
}

/** A second account at fal. */
async function addFal(world: World, config = {}): Promise<StepFallback> {
  const id = newId()
  const fal = { id, name: 'other fal', type: 'fal', apiKey: 'a-key' } as const
  const credentials = await openCredentials(secretKey)
  await saveProvider(world.database, credentials, {
    ...fal,
    baseUrl: world.providers.falUrl,
    config,
  })
  return { ...modelOf(world, 'fal'), providerId: id }
}

async function markRefused({ database }: World, providerId: string): Promise<void> {
  const provider = await findProvider(database, providerId)
  if (provider === undefined) throw new Error('no provider')
  await recordHealth(database, { provider, isHealthy: false })
}

async function messagesOf(runner: Runner, taskId: TaskId): Promise<string[]> {
  const events = await eventsOf(runner, taskId)
  return events.flatMap(event => ('message' in event ? [event.message] : []))
}

t.test('while a provider is down the next one does the step, for one charge (V9)', async t => {
  const runner = await createRunner(t)
  await runner.providers.script({ provider: 'openai', mode: '503', times: 1_000 })
  const taskId = await paint(runner)

  await runner.run(taskId)
  t.match(await readTask(runner, taskId), { status: 'pending', retries: 0 })
  await runner.run(taskId)

  t.match(await readTask(runner, taskId), { status: 'completed', retries: 0 })
  t.match(await callsOf(runner, taskId), [
    { provider: 'openai', errorKind: 'unavailable', ...idOf(modelOf(runner, 'openai')) },
    { provider: 'google', state: 'succeeded', ...idOf(modelOf(runner, 'google')) },
  ])
  const { openai, google } = (await runner.providers.calls()).providers
  t.strictSame([openai.attempts, google.submits], [1, 1])
  t.ok((await messagesOf(runner, taskId)).includes('provider unavailable: asking another one'))
  await assertBooks(t, runner, 1)
})

function idOf({ providerId, providerModel: model }: StepFallback) {
  return { providerId, model }
}

t.test('once its breaker is open, tasks go to the next one without asking it', async t => {
  const at = await createGatedRunner(t, {})
  await at.providers.script({ provider: 'openai', mode: '503', times: 1_000 })
  const tasks: TaskId[] = []
  for (let count = 0; count < 20; count++) {
    const taskId = await paint(at)
    tasks.push(taskId)
    await at.run(taskId)
    await at.run(taskId)
  }

  for (const taskId of tasks) t.match(await readTask(at, taskId), { status: 'completed' })
  const { openai, google } = (await at.providers.calls()).providers
  t.equal(openai.attempts, 5)
  t.equal(google.submits, 20)
  await assertBooks(t, at, 20)
})

t.test('when all are down a task waits, asks each of them little, and is not charged', async t => {
  const at = await createGatedRunner(t, {})
  for (const provider of ['openai', 'google'] as const) {
    await at.providers.script({ provider, mode: '503', times: 1_000 })
  }
  const taskId = await paint(at)

  for (let round = 0; round < 12; round++) {
    await at.run(taskId)
    at.clock.nowMs += 20_000
  }

  t.match(await readTask(at, taskId), { status: 'failed', error: { code: 'PROVIDER_UNAVAILABLE' } })
  const { openai, google } = (await at.providers.calls()).providers
  t.ok(openai.attempts + google.attempts <= 5, `${openai.attempts} and ${google.attempts}`)
  await assertBooks(t, at, 0)
})

t.test('a call that a provider has stays there, whatever happens to its worker', async t => {
  const runner = await createRunner(t)
  const other = await addFal(runner)
  await runner.providers.script({ provider: 'fal', operation: 'submit', mode: '503' })
  await runner.providers.script({ provider: 'fal', mode: 'ok', latencyMs: 1_500 })
  const taskId = await submitTask(runner, { fallbacks: [other] })
  await runner.run(taskId)
  const { shutdown, start } = planShutdown()
  const work = runner.run(taskId, shutdown)
  await until(async () => (await callsOf(runner, taskId))[1]?.['state'] === 'submitted')
  start()
  await work

  // The first is well again, and would come first.
  await runner.run(taskId)

  t.match(await readTask(runner, taskId), { status: 'completed' })
  t.match(await callsOf(runner, taskId), [
    { state: 'failed', providerId: modelOf(runner, 'fal').providerId },
    { state: 'succeeded', providerId: other.providerId },
  ])
  t.equal((await runner.providers.calls()).providers.fal.submits, 1)
  await assertBooks(t, runner, 1)
})

t.test('an outage after the submission is waited for where the call is', async t => {
  const runner = await createRunner(t)
  await runner.providers.script({ provider: 'fal', operation: 'status', mode: '503', times: 1_000 })
  const taskId = await submitTask(runner, { fallbacks: [await addFal(runner)] })

  for (let tries = 0; tries < 4; tries++) await runner.run(taskId)

  t.match(await readTask(runner, taskId), { status: 'failed', retries: 3 })
  t.equal((await runner.providers.calls()).providers.fal.submits, 1)
  t.equal((await callsOf(runner, taskId)).length, 1)
  await assertBooks(t, runner, 0)
})

t.test('what one model’s rules forbid is shown to one other, and it may do it', async t => {
  const runner = await createRunner(t)
  await runner.providers.script({ provider: 'openai', mode: 'moderated' })
  const taskId = await paint(runner)

  await runner.run(taskId)
  await runner.run(taskId)

  t.match(await readTask(runner, taskId), { status: 'completed' })
  t.match(await callsOf(runner, taskId), [{ errorKind: 'moderated' }, { provider: 'google' }])
  t.ok((await messagesOf(runner, taskId)).includes('refused by the model: asking another one'))
  await assertBooks(t, runner, 1)
})

t.test('what two models refuse is shown to no third, for nothing', async t => {
  const runner = await createRunner(t)
  for (const provider of ['openai', 'google'] as const) {
    await runner.providers.script({ provider, mode: 'moderated', times: 10 })
  }
  const third = { ...modelOf(runner, 'openai'), providerModel: 'gpt-image-1' }
  const fallbacks = [modelOf(runner, 'google'), third]
  const input = { prompt: 'a lighthouse' }
  const taskId = await submitTask(runner, { tool: 'openai', input, fallbacks })

  for (let tries = 0; tries < 4; tries++) await runner.run(taskId)

  t.match(await readTask(runner, taskId), { error: { code: 'PROVIDER_REJECTED' } })
  const { openai, google } = (await runner.providers.calls()).providers
  t.strictSame([openai.attempts, google.attempts], [1, 1])
  await assertBooks(t, runner, 0)
})

t.test('a result that is refused after the submission goes to another account too', async t => {
  const runner = await createRunner(t)
  const other = await addFal(runner)
  await runner.providers.script({ provider: 'fal', mode: 'moderated' })
  const taskId = await submitTask(runner, { fallbacks: [other] })

  await runner.run(taskId)
  await runner.run(taskId)

  t.match(await readTask(runner, taskId), { status: 'completed' })
  t.match(await callsOf(runner, taskId), [
    { state: 'failed', errorKind: 'moderated' },
    { state: 'succeeded', providerId: other.providerId },
  ])
  await assertBooks(t, runner, 1)
})

t.test('a model that cannot honour the whole request is left out', async t => {
  const runner = await createRunner(t)
  await runner.providers.script({ provider: 'openai', mode: '503', times: 2 })
  const taskId = await paint(runner, { prompt: 'a lighthouse', size: '1536x1024' })

  for (let tries = 0; tries < 3; tries++) await runner.run(taskId)

  t.match(await readTask(runner, taskId), { status: 'completed', retries: 2 })
  t.equal((await runner.providers.calls()).providers.google.attempts, 0)
})

t.test('one whose key is refused is not asked while there is another (V-8)', async t => {
  const runner = await createRunner(t)
  await markRefused(runner, modelOf(runner, 'openai').providerId)
  const taskId = await paint(runner)

  await runner.run(taskId)

  t.match(await readTask(runner, taskId), { status: 'completed' })
  t.equal((await runner.providers.calls()).providers.openai.attempts, 0)
})

t.test('a key that is refused now leads to the next one at once', async t => {
  const runner = await createRunner(t)
  await runner.providers.script({ provider: 'openai', mode: '401', times: 10 })
  const taskId = await paint(runner)

  await runner.run(taskId)
  await runner.run(taskId)

  t.match(await readTask(runner, taskId), { status: 'completed' })
  t.equal((await runner.providers.calls()).providers.openai.attempts, 1)
  await assertBooks(t, runner, 1)
})

t.test('one whose money for today is spent comes after the others (C7)', async t => {
  const runner = await createRunner(t)
  const other = await addFal(runner)
  const { providerId: id, providerModel } = modelOf(runner, 'fal')
  const config = { costPerCallUsd: 0.04, dailyBudgetUsd: 0.04 }
  const credentials = await openCredentials(secretKey)
  const baseUrl = runner.providers.falUrl
  const fal = { id, name: 'fal', type: 'fal', apiKey: 'a-key', baseUrl, config } as const
  await saveProvider(runner.database, credentials, fal)
  const tasks = [
    await submitTask(runner, { fallbacks: [other] }),
    await submitTask(runner, { fallbacks: [other] }),
    await submitTask(runner),
  ] as const

  for (const taskId of tasks) await runner.run(taskId)

  const [first, second, alone] = tasks
  const called = { state: 'succeeded', providerId: id, model: providerModel }
  t.match(await callsOf(runner, first), [{ ...called, costMicroUsd: 40_000 }])
  t.match(await callsOf(runner, second), [{ state: 'succeeded', providerId: other.providerId }])
  t.match(await callsOf(runner, alone), [called], 'what is running is never stopped')
  const numbers = await runner.metrics.registry.metrics()
  t.match(numbers, /provider_cost_usd_total\{provider="fal".*\} 0\.08/)
})

t.test(
  'a call that the provider did not take costs nothing; one without an answer may',
  async t => {
    const runner = await createRunner(t)
    const config = { costPerCallUsd: 0.04 }
    const priced = await addFal(runner, config)
    await runner.providers.script({ provider: 'fal', operation: 'submit', mode: '503' })
    await runner.providers.script({ provider: 'fal', operation: 'submit', mode: 'reset' })
    const taskId = await submitTask(runner, { providerId: priced.providerId })

    for (let tries = 0; tries < 3; tries++) await runner.run(taskId)

    const costs = (await callsOf(runner, taskId)).map(({ costMicroUsd }) => costMicroUsd)
    t.strictSame(costs, [0, 40_000, 40_000])
    const rows = await runner.database.query(sql`SELECT 1 FROM tasks WHERE status = 'completed'`)
    t.equal(rows.rowCount, 1)
  },
)
