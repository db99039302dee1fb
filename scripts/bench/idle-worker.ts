// The worker as services/provider-worker has it, with its own queue, gate, claims and settlements,
// but with a provider that answers after BENCH_LATENCY_MS and has made nothing: what is left is
// what a task costs us. Started by engine.ts.
import { createServer } from 'node:http'
import { openDatabase } from '@funmagic/database/client'
import { loadConfig } from '@funmagic/runtime/config'
import { run } from '@funmagic/runtime/lifecycle'
import { WorkerConfig } from '../../services/provider-worker/src/config.ts'
import { runTask } from '../../services/provider-worker/src/run-task.ts'
import { Worker } from '../../services/provider-worker/src/worker.ts'
import { createIdleDeps } from './idle-runner.ts'

await run('idle-worker', async (environment, lifecycle) => {
  const config = loadConfig(WorkerConfig, environment)
  const database = openDatabase({ ...config.database, applicationName: 'idle-worker' })
  lifecycle.onStop('database', () => database[Symbol.asyncDispose]())
  const latencyMs = Number(environment['BENCH_LATENCY_MS'] ?? '0')
  const onClose = (work: () => unknown) => lifecycle.onStop('redis', async () => void work())
  const deps = await createIdleDeps({ config, database, latencyMs, onClose })
  const worker = new Worker({
    ...config.queue,
    queueUrl: config.redisQueue.url,
    runTask: (taskId, shutdown) => runTask(deps, taskId, shutdown),
    events: deps.events,
  })
  lifecycle.onStop('worker', () => worker[Symbol.asyncDispose]())
  const health = createServer((_request, response) => void response.end())
  health.listen(config.http.port, config.http.host)
  lifecycle.onStop('health', async () => void health.close())
})
