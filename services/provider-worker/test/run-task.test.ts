import { createHash } from 'node:crypto'
import { findAsset } from '@funmagic/asset/catalog'
import type { ObjectStore } from '@funmagic/asset/object-store'
import { makeFragile } from '@funmagic/asset/testing'
import { sql } from '@funmagic/database/sql'
import t from 'tap'
import { runTask } from '../src/run-task.ts'
import {
  assertBooks,
  callsOf,
  createRunner,
  eventsOf,
  planShutdown,
  readTask,
  rowsOf,
} from './runner.ts'
import { submitTask } from './worker-world.ts'

// A dozen databases and processes, on a machine that may do much else.
t.setTimeout(240_000)

for (const tool of ['fal', 'openai', 'replicate', 'tripo', 'google'] as const) {
  t.test(`a task at ${tool} completes with an asset of its owner, paid for once`, async t => {
    const runner = await createRunner(t)
    const taskId = await submitTask(runner, { tool })

    await runner.run(taskId)

    const task = await readTask(runner, taskId)
    t.match(task, { status: 'completed', progress: 100, attempt: 1, retries: 0, error: null })
    const [assetId = ''] = task.output?.assetIds ?? []
    const asset = await findAsset(runner.database, { userId: runner.userId, assetId })
    t.match(asset, { visibility: 'private', taskId, taskOutput: 0, module: task.toolSlug })
    const place = { bucket: 'private', key: asset?.storageKey ?? '' } as const
    const bytes = await runner.store.read(place, { bytesMax: 10_000_000 })
    t.equal(bytes && createHash('sha256').update(bytes).digest('hex'), asset?.sha256)
    t.match(await callsOf(runner, taskId), [{ state: 'succeeded', attempt: 1 }])
    t.match((await runner.providers.calls()).providers[tool], { submits: 1, attempts: 1 })
    await assertBooks(t, runner, 1)
  })
}

t.test(
  'a model is kept under its own type, with the picture that the provider made of it',
  async t => {
    const runner = await createRunner(t)
    const taskId = await submitTask(runner, { tool: 'tripo' })

    await runner.run(taskId)

    const assets = sql`SELECT mime_type AS type, task_output AS place FROM assets
    WHERE task_id = ${taskId} ORDER BY task_output`
    t.strictSame(await rowsOf(runner, assets), [
      { type: 'model/gltf-binary', place: 0 },
      { type: 'image/webp', place: 1 },
    ])
  },
)

t.test('all that was made of an own picture says so (P5)', async t => {
  const runner = await createRunner(t)
  const taskId = await submitTask(runner, { tool: 'tripo' })
  const painted = await submitTask(runner, { tool: 'openai' })

  await runner.run(taskId)
  await runner.run(painted)

  const parentsOf = (id: string) => sql`
    SELECT a.parent_asset_id AS parent, p.input->>'assetId' AS input
    FROM assets a JOIN task_payloads p ON p.task_id = a.task_id
    WHERE a.task_id = ${id} ORDER BY a.task_output`
  const [model, picture] = await rowsOf(runner, parentsOf(taskId))
  t.type(model?.['parent'], 'string')
  t.equal(model?.['parent'], model?.['input'])
  t.equal(picture?.['parent'], picture?.['input'])
  t.strictSame(await rowsOf(runner, parentsOf(painted)), [{ parent: null, input: null }])
})

t.test('a model without a picture of it is a model all the same', async t => {
  const runner = await createRunner(t)
  await runner.providers.script({ provider: 'tripo', mode: 'missing-preview' })
  const taskId = await submitTask(runner, { tool: 'tripo' })

  await runner.run(taskId)

  const { status, output } = await readTask(runner, taskId)
  t.equal(status, 'completed')
  t.equal(output?.assetIds.length, 1)
  await assertBooks(t, runner, 1)
})

t.test('drafts of a picture are told in events of a bounded size (TR7)', async t => {
  const runner = await createRunner(t)
  const taskId = await submitTask(runner, { tool: 'openai' })

  await runner.run(taskId)

  const previews = (await eventsOf(runner, taskId)).flatMap(event =>
    event.type === 'progress' && event.preview !== undefined ? [event.preview] : [],
  )
  t.ok(previews.length > 0)
  for (const { mimeType, data } of previews) {
    t.equal(mimeType, 'image/webp')
    t.equal(Buffer.from(data, 'base64').subarray(8, 12).toString(), 'WEBP')
    t.ok(data.length <= 14_000)
  }
})

t.test('its owner is told of every stage, in order, and of one end', async t => {
  const runner = await createRunner(t)
  await runner.providers.script({ provider: 'fal', mode: 'ok', latencyMs: 500 })
  const taskId = await submitTask(runner)

  await runner.run(taskId)

  const events = await eventsOf(runner, taskId)
  const percents = events.flatMap(event => (event.type === 'progress' ? [event.progress] : []))
  t.ok(percents.length >= 3)
  t.strictSame(
    percents,
    percents.toSorted((a, b) => a - b),
  )
  const { output } = await readTask(runner, taskId)
  t.strictSame(
    events.filter(({ type }) => type !== 'progress'),
    [
      { type: 'step_started', stepId: 'only', stepName: 'only' },
      { type: 'step_completed', stepId: 'only', output },
      { type: 'completed', output },
    ],
  )
  t.strictSame(events.at(-1), { type: 'completed', output })
})

t.test('what operators read of the conversation holds no key, address or bytes', async t => {
  const runner = await createRunner(t)
  const taskId = await submitTask(runner)

  await runner.run(taskId)

  const [payload] = await rowsOf(
    runner,
    sql`SELECT provider_request AS request, provider_response AS response, provider_meta AS meta
        FROM task_payloads WHERE task_id = ${taskId}`,
  )
  t.match(payload, {
    request: { provider: 'fal', model: 'fal-ai/bria/background/remove', assetId: runner.assetId },
    response: { outputs: [{ mimeType: 'image/png', sizeBytes: Number }] },
    meta: { attempt: 1, providerRequestId: String },
  })
  t.notMatch(JSON.stringify(payload), /a-key|https?:|base64/)
})

t.test('the numbers of the seeds are counted', async t => {
  const runner = await createRunner(t)
  const taskId = await submitTask(runner)
  await runner.providers.script({
    provider: 'fal',
    operation: 'status',
    mode: '429',
    retryAfterSeconds: 0,
  })

  await runner.run(taskId)

  const text = await runner.metrics.registry.metrics()
  t.match(text, /tasks_total\{tool="background-remove",status="completed".*\} 1/)
  t.match(text, /task_duration_seconds_count\{.*tool="background-remove",status="completed"\} 1/)
  t.match(text, /task_queue_wait_seconds_count\{.*queue="ai-tasks"\} 1/)
  t.match(text, /provider_api_duration_seconds_count\{.*provider="fal",operation="submit"\} 1/)
  t.match(text, /provider_errors_total\{provider="fal",error_type="throttled".*\} 1/)
  t.match(text, /provider_rate_limit_hits_total\{provider="fal".*\} 1/)
})

t.test('a task completes while the Redis of the streams is away', async t => {
  const runner = await createRunner(t, { redisUrl: 'redis://127.0.0.1:1' })
  const taskId = await submitTask(runner)

  await runner.run(taskId)

  t.match(await readTask(runner, taskId), { status: 'completed' })
  await assertBooks(t, runner, 1)
})

t.test('a task that does not exist is nothing to do', async t => {
  const runner = await createRunner(t)

  await runner.run('0199d5b0-7a3c-7c1e-9f52-6f1f0c1f7a10')

  t.equal((await runner.providers.calls()).calls.length, 0)
})

t.test('any number of wake-ups, at once and later, make one run (T10)', async t => {
  const runner = await createRunner(t)
  const taskId = await submitTask(runner)

  await Promise.all([1, 2, 3, 4].map(() => runner.run(taskId)))
  await runner.run(taskId)

  t.match(await readTask(runner, taskId), { status: 'completed', attempt: 1 })
  t.equal((await runner.providers.calls()).providers.fal.submits, 1)
  t.equal((await eventsOf(runner, taskId)).filter(({ type }) => type === 'completed').length, 1)
  await assertBooks(t, runner, 1)
})

t.test('a picture that moves between the look at its row and the read is found again', async t => {
  const runner = await createRunner(t)
  const taskId = await submitTask(runner)
  let reads = 0
  const read: ObjectStore['read'] = async (place, limits) => {
    reads += 1
    if (reads > 1) return runner.store.read(place, limits)
    const { rowCount } = await runner.database.query(sql`
      UPDATE assets SET storage_key = storage_key || '.moved' WHERE storage_key = ${place.key}
    `)
    t.equal(rowCount, 1)
    const bytes = (await runner.store.read(place, limits)) ?? new Uint8Array()
    const moved = { ...place, key: `${place.key}.moved` }
    const headers = { cacheControl: 'private', contentDisposition: 'inline' }
    await runner.store.create(moved, bytes, { mimeType: 'image/png', ...headers })
    await runner.store.remove(place)
    return undefined
  }
  const deps = { ...runner.deps, store: { ...makeFragile(runner.store), read } }

  await runTask(deps, taskId, planShutdown().shutdown)

  t.match(await readTask(runner, taskId), { status: 'completed', attempt: 1 })
  t.equal(reads, 2)
})
