import { newId } from '@funmagic/contract/ids'
import { sql } from '@funmagic/database/sql'
import { openCredentials } from '@funmagic/provider/credentials'
import { saveProvider } from '@funmagic/provider/providers'
import t, { type Test } from 'tap'
import { assertBooks, callsOf, createRunner, eventsOf, readTask, rowsOf } from './runner.ts'
import type { Runner } from './runner.ts'
import { submitTask, type Submitting } from './worker-world.ts'

/** The task must be failed with the code, its owner told, and its credits returned. */
async function assertFailed(
  t: Test,
  runner: Runner,
  failed: { readonly taskId: string; readonly code: string },
): Promise<void> {
  const { taskId, code } = failed
  t.match(await readTask(runner, taskId), { status: 'failed', error: { code }, output: null })
  const events = await eventsOf(runner, taskId)
  t.match(events.at(-1), { type: 'failed', error: { code, message: String } })
  await assertBooks(t, runner, 0)
}

const workFaults = [
  ['fail', 'PROVIDER_REJECTED'],
  ['invalid-output', 'PROVIDER_BAD_RESPONSE'],
  ['redirect-output', 'PROVIDER_BAD_RESPONSE'],
  ['link-local-output', 'PROVIDER_BAD_RESPONSE'],
  ['missing-output', 'PROVIDER_OUTPUT_EXPIRED'],
  ['401', 'PROVIDER_NOT_CONFIGURED'],
  ['garbage', 'PROVIDER_BAD_RESPONSE'],
] as const
for (const [mode, code] of workFaults) {
  t.test(`a provider that does ${mode} fails the task at once as ${code}, for nothing`, async t => {
    const runner = await createRunner(t)
    await runner.providers.script({ provider: 'fal', mode })
    const taskId = await submitTask(runner)

    await runner.run(taskId)

    await assertFailed(t, runner, { taskId, code })
    t.match(await callsOf(runner, taskId), [{ state: 'failed', errorKind: String }])
    t.equal((await runner.providers.calls()).providers.fal.attempts, 1)
  })
}

const passingFaults = [
  ['500', 'PROVIDER_UNAVAILABLE'],
  ['cut', 'PROVIDER_UNAVAILABLE'],
] as const
for (const [mode, code] of passingFaults) {
  t.test(`a provider that does ${mode} for good is tried four times, then ${code}`, async t => {
    const runner = await createRunner(t)
    await runner.providers.script({ provider: 'openai', mode, times: 10 })
    const taskId = await submitTask(runner, { tool: 'openai' })

    for (let tries = 0; tries < 6; tries++) await runner.run(taskId)

    await assertFailed(t, runner, { taskId, code })
    t.match(await readTask(runner, taskId), { retries: 3, attempt: 4 })
    t.equal((await runner.providers.calls()).providers.openai.attempts, 4)
    t.equal((await callsOf(runner, taskId)).length, 4)
  })
}

t.test(
  'a provider that is busy for good costs no retry, and an end comes all the same',
  async t => {
    const runner = await createRunner(t)
    await runner.providers.script({ provider: 'openai', mode: '429', times: 10 })
    const taskId = await submitTask(runner, { tool: 'openai' })

    for (let tries = 0; tries < 8; tries++) await runner.run(taskId)

    await assertFailed(t, runner, { taskId, code: 'PROVIDER_BUSY' })
    t.match(await readTask(runner, taskId), { retries: 0, rateLimitAttempts: 5, attempt: 6 })
    t.equal((await runner.providers.calls()).providers.openai.attempts, 6)
  },
)

t.test('a retry waits in the outbox: one second, then two, then four', async t => {
  const runner = await createRunner(t)
  await runner.providers.script({ provider: 'fal', mode: '503', times: 3 })
  const taskId = await submitTask(runner)

  const delays: number[] = []
  for (let tries = 0; tries < 3; tries++) {
    await runner.run(taskId)
    const [row] = await rowsOf(
      runner,
      sql`SELECT extract(epoch FROM available_at - created_at)::float8 AS seconds
          FROM outbox WHERE key = ${taskId} ORDER BY id DESC LIMIT 1`,
    )
    delays.push(Number(row?.['seconds']))
  }

  const [first = 0, second = 0, third = 0] = delays
  t.ok(first >= 1 && first <= 1.26, `${first}`)
  t.ok(second >= 2 && second <= 2.51, `${second}`)
  t.ok(third >= 4 && third <= 5.01, `${third}`)
})

t.test('a task that recovers on its last try completes and is paid for once', async t => {
  const runner = await createRunner(t)
  await runner.providers.script({ provider: 'fal', mode: '503', times: 3 })
  const taskId = await submitTask(runner)

  for (let tries = 0; tries < 4; tries++) await runner.run(taskId)

  t.match(await readTask(runner, taskId), { status: 'completed', retries: 3 })
  await assertBooks(t, runner, 1)
})

t.test('Retry-After is waited for', async t => {
  const runner = await createRunner(t)
  await runner.providers.script({ provider: 'fal', mode: '429', retryAfterSeconds: 20 })
  const taskId = await submitTask(runner)

  await runner.run(taskId)

  t.match(await readTask(runner, taskId), { status: 'pending', retries: 0, rateLimitAttempts: 1 })
  const waits = sql`SELECT available_at > now() + interval '18 seconds' AS waits FROM outbox
    WHERE key = ${taskId} AND available_at > now()`
  t.strictSame(await rowsOf(runner, waits), [{ waits: true }])
})

t.test('a provider that never ends the job costs nothing and is told to stop', async t => {
  const runner = await createRunner(t)
  await runner.providers.script({ provider: 'fal', mode: 'stuck' })
  const taskId = await submitTask(runner, { timeoutSeconds: 1 })

  await runner.run(taskId)

  await assertFailed(t, runner, { taskId, code: 'PROVIDER_TIMEOUT' })
  t.match((await runner.providers.calls()).providers.fal, { submits: 1, open: 0 })
})

t.test('a provider that never answers costs nothing', async t => {
  const runner = await createRunner(t)
  await runner.providers.script({ provider: 'openai', mode: 'hang' })
  const taskId = await submitTask(runner, { tool: 'openai', timeoutSeconds: 1 })

  await runner.run(taskId)

  await assertFailed(t, runner, { taskId, code: 'PROVIDER_TIMEOUT' })
})

t.test('questions that fail for good fail the task, after one submission', async t => {
  const runner = await createRunner(t)
  await runner.providers.script({ provider: 'fal', operation: 'status', mode: '500', times: 100 })
  const taskId = await submitTask(runner)

  for (let tries = 0; tries < 4; tries++) await runner.run(taskId)

  await assertFailed(t, runner, { taskId, code: 'PROVIDER_UNAVAILABLE' })
  t.equal((await runner.providers.calls()).providers.fal.submits, 1)
})

t.test('a picture that was deleted meanwhile is not asked for', async t => {
  const runner = await createRunner(t)
  const taskId = await submitTask(runner)
  await runner.database.query(sql`UPDATE assets SET deleted_at = now()`)

  await runner.run(taskId)

  await assertFailed(t, runner, { taskId, code: 'INPUT_UNAVAILABLE' })
  t.equal((await runner.providers.calls()).calls.length, 0)
})

t.test('a picture of somebody else is not sent anywhere (A14)', async t => {
  const runner = await createRunner(t)
  const stranger = newId()
  await runner.database.query(sql`
    INSERT INTO users (id, email, name) VALUES (${stranger}, 'eve@example.test', 'Eve')
  `)
  await runner.database.query(sql`
    UPDATE assets SET user_id = ${stranger},
      storage_key = replace(storage_key, user_id::text, ${stranger})
  `)
  const taskId = await submitTask(runner)

  await runner.run(taskId)

  await assertFailed(t, runner, { taskId, code: 'INPUT_UNAVAILABLE' })
  t.equal((await runner.providers.calls()).calls.length, 0)
})

async function addProvider(runner: Runner, sealedBy: string): Promise<Submitting> {
  const credentials = await openCredentials(sealedBy)
  const id = newId()
  const provider = { id, name: 'another', type: 'fal', apiKey: 'k', baseUrl: null } as const
  await saveProvider(runner.database, credentials, provider)
  return { providerId: id }
}

const misconfigurations: [string, (runner: Runner) => Promise<Submitting>][] = [
  ['does not exist', async () => ({ providerId: newId() })],
  ['has a key sealed with another secret', runner => addProvider(runner, 'another secret')],
]
for (const [what, configure] of misconfigurations) {
  t.test(`a provider that ${what} fails the task and pages the operators`, async t => {
    const runner = await createRunner(t)
    const taskId = await submitTask(runner, await configure(runner))

    await runner.run(taskId)

    await assertFailed(t, runner, { taskId, code: 'PROVIDER_NOT_CONFIGURED' })
  })
}

t.test('what the provider said is kept for operators, and not told to the owner', async t => {
  const runner = await createRunner(t)
  await runner.providers.script({ provider: 'fal', mode: '401' })
  const taskId = await submitTask(runner)

  await runner.run(taskId)

  const [payload] = await rowsOf(
    runner,
    sql`SELECT error, provider_response AS response FROM task_payloads WHERE task_id = ${taskId}`,
  )
  t.match(payload, {
    error: /^unauthorized: submit was answered with 401/,
    response: { failure: { kind: 'unauthorized', status: 401 } },
  })
  t.notMatch((await readTask(runner, taskId)).error?.message, /401|key/i)
})
