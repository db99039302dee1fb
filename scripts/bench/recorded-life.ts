import type { TaskId } from '@funmagic/contract/ids'
import { loadConfig } from '@funmagic/runtime/config'
import { WorkerConfig } from '../../services/provider-worker/src/config.ts'
import { runTask } from '../../services/provider-worker/src/run-task.ts'
import { submitBare, type Engine, type Payer } from './engine.ts'
import { createIdleDeps } from './idle-runner.ts'
import type { Setting } from './setting.ts'
import { createRenewal, recordStatements, type Unit } from './statements.ts'

/** All that a task sends to Postgres in its life, without what moves it through the queue. */
export interface Life {
  readonly submission: readonly Unit[]
  /** From the claim to the settlement. */
  readonly work: readonly Unit[]
}

/** Runs one task in this process, and makes others of it. */
export async function recordLife(setting: Setting, engine: Engine, payer: Payer) {
  const { databaseUrl, tool } = engine
  const taskIds: TaskId[] = []
  const submission = await recordStatements(databaseUrl, async database => {
    taskIds.push(await submitBare(database, tool, payer.userId))
  })
  const config = loadConfig(WorkerConfig, engine.workerEnvironment)
  const work = await recordStatements(databaseUrl, async database => {
    const onClose = (work: () => unknown) => setting.onClose(work)
    const deps = await createIdleDeps({ config, database, latencyMs: 0, onClose })
    for (const taskId of taskIds) await runTask(deps, taskId, neverStopping)
  })
  const providerId = tool.config.steps[0]?.providerId ?? ''
  const renew = createRenewal([...submission, ...work], [payer.userId, tool.id, providerId])
  return {
    first: { submission, work },
    of: (userId: string): Life => {
      const units = renew(new Map([[payer.userId, userId]]))
      return { submission: units.slice(0, submission.length), work: units.slice(submission.length) }
    },
  }
}

const neverStopping = {
  started: new AbortController().signal,
  expired: new AbortController().signal,
}
