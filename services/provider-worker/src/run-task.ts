import type { ObjectStore } from '@funmagic/asset/object-store'
import type { TaskId } from '@funmagic/contract/ids'
import type { Database } from '@funmagic/database/client'
import { failpoint } from '@funmagic/runtime/failpoints'
import { claimTask, renewLease, reportProgress, type ClaimedTask } from '@funmagic/task/lifecycle'
import type { SpendOf } from '@funmagic/task/spend'
import type { Account } from './accounts.ts'
import type { Announcer } from './announce.ts'
import { askInTurn } from './ask-in-turn.ts'
import { beginAttempt, type Attempt, type Shutdown } from './attempt.ts'
import { conclude } from './conclude.ts'
import type { Events } from './events.ts'
import { Interruption } from './interruption.ts'
import { Lease } from './lease.ts'
import { persist } from './persist.ts'
import type { Gate } from './provider-gate.ts'
import { ProgressReport, type Progress } from './progress-report.ts'
import { describeAttempt } from './provider-record.ts'
import { previewOf } from './preview.ts'
import { settleCompleted, type Settled } from './settle-task.ts'
import { storeOutputs } from './store-outputs.ts'
import { findInput } from './task-input.ts'
import type { RetryPolicy } from './verdict.ts'

export interface RunTaskDeps {
  readonly database: Database
  readonly store: ObjectStore
  readonly openAccount: (providerId: string) => Promise<Account>
  readonly spendOf: SpendOf
  readonly gate: Gate
  readonly announcer: Announcer
  readonly events: Events
  readonly limits: TaskLimits
}

export interface TaskLimits {
  /** Without a sign of life for so long a task counts as abandoned and is taken up by another. */
  readonly leaseMs: number
  /** For the provider's part of a step that does not say so itself. */
  readonly stepTimeoutMs: number
  readonly cancelTimeoutMs: number
  readonly progressIntervalMs: number
  readonly inputBytesMax: number
  readonly outputBytesMax: number
  readonly outputTimeoutMs: number
  readonly retry: RetryPolicy
}

/**
 * Runs a task from its claim to its end, or to where another attempt can go on. Whatever happens
 * on the way, and wherever this process dies, the task ends once and is paid for once or not at
 * all: every write is fenced by the claim, and the calls to the provider are on record before
 * they are made. A task that is not there to be claimed is none of our business (T10).
 */
export async function runTask(
  deps: RunTaskDeps,
  taskId: TaskId,
  shutdown: Shutdown,
): Promise<void> {
  failpoint('worker.fetched')
  const task = await claimTask(deps.database, { taskId, leaseMs: deps.limits.leaseMs })
  if (task === undefined) return
  failpoint('worker.claimed')
  deps.events.taskClaimed(task)
  using lease = holdLease(deps, task)
  const attempt = beginAttempt(task, lease, shutdown)
  try {
    const settled = await complete(deps, attempt)
    failpoint('worker.settled')
    deps.events.taskCompleted(task, settled.task)
    await deps.announcer.completed(task, settled)
    failpoint('worker.announced')
  } catch (error) {
    await conclude(deps, attempt, error)
  }
}

async function complete(deps: RunTaskDeps, attempt: Attempt): Promise<Settled> {
  const { task, claim } = attempt
  await deps.announcer.stepStarted(task)
  await using report = openReport(deps, attempt)

  const { account, outputs } = await askInTurn(deps, attempt, report)
  report.update({ fraction: 1, message: 'Saving the result' })
  await storeOutputs(deps, attempt, { account, outputs })
  failpoint('worker.stored')

  const { callId, stored } = attempt
  if (callId === undefined) throw new Error('there are outputs without a call')
  const provider = describeAttempt(attempt)
  const madeOf = (await persist(() => findInput(deps.database, task), attempt.signal))?.id
  const completion = { claim, callId, outputs: stored, madeOf, provider }
  const settled = await persist(() => settleCompleted(deps.database, completion), attempt.signal)
  if (settled === undefined) throw new Interruption('superseded')
  return settled
}

function holdLease({ database, events, limits }: RunTaskDeps, task: ClaimedTask): Lease {
  const { leaseMs } = limits
  const claim = { taskId: task.id, attempt: task.attempt }
  return new Lease({
    leaseMs,
    renew: () => renewLease(database, { ...claim, leaseMs }),
    onError: error => events.sideWorkFailed(task, 'lease', error),
  })
}

function openReport(
  { database, announcer, events, limits }: RunTaskDeps,
  { task, claim, lease }: Attempt,
): ProgressReport {
  const publish = async (progress: Progress) => {
    const isOurs = await reportProgress(database, { ...claim, progress: progress.percent })
    if (!isOurs) return lease.lose()
    const { percent, message, draft } = progress
    const preview = draft && (await previewOf(draft))
    await announcer.progress(task, { percent, message, ...(preview && { preview }) })
  }
  return new ProgressReport({
    startPercent: task.progress,
    intervalMs: limits.progressIntervalMs,
    publish,
    onError: error => events.sideWorkFailed(task, 'progress', error),
  })
}
