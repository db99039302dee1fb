import type { Preview, ProgressEvent } from '@funmagic/contract/progress'
import type { Redis } from '@funmagic/runtime/redis'
import type { ClaimedTask } from '@funmagic/task/lifecycle'
import { publishBalance, publishEvent } from '@funmagic/task/progress-channel'
import { failureMessages, type FailureCode } from '@funmagic/task/task-state'
import type { Events } from './events.ts'
import type { Settled } from './settle-task.ts'

interface Told {
  readonly percent: number
  readonly message: string
  readonly preview?: Preview
}

/**
 * Tells the streams what has been committed. A stream that cannot be told changes nothing: its
 * watchers read the same from Postgres (W8, P7).
 */
export interface Announcer {
  stepStarted(task: ClaimedTask): Promise<void>
  progress(task: ClaimedTask, progress: Told): Promise<void>
  completed(task: ClaimedTask, settled: Settled): Promise<void>
  failed(task: ClaimedTask, settled: Settled, code: FailureCode): Promise<void>
  dependentsCanceled(task: ClaimedTask, settled: Settled): Promise<void>
}

export function createAnnouncer(redis: Redis, events: Events): Announcer {
  async function tell(task: ClaimedTask, publish: () => Promise<unknown>): Promise<void> {
    try {
      await publish()
    } catch (error) {
      events.sideWorkFailed(task, 'announcement', error)
    }
  }

  const publish = async (task: ClaimedTask, event: ProgressEvent) =>
    publishEvent(redis, { taskId: task.id, userId: task.userId }, event)

  const pushBalance = async (task: ClaimedTask, { balance }: Settled) =>
    publishBalance(redis, task.userId, balance)

  return {
    stepStarted: task =>
      tell(task, async () => {
        const { id: stepId, name: stepName } = task.step
        await publish(task, { type: 'step_started', stepId, stepName })
      }),
    progress: (task, { percent: progress, ...rest }) =>
      tell(task, () => publish(task, { type: 'progress', progress, ...rest })),
    completed: (task, settled) =>
      tell(task, async () => {
        const output = { assetIds: [...settled.assetIds] }
        // One trip to Redis, which keeps their order.
        await Promise.all([
          publish(task, { type: 'step_completed', stepId: task.step.id, output }),
          publish(task, { type: 'completed', output }),
          pushBalance(task, settled),
        ])
      }),
    failed: (task, settled, code) =>
      tell(task, async () => {
        const error = { code, message: failureMessages[code] }
        await publish(task, { type: 'failed', error })
        await pushBalance(task, settled)
      }),
    dependentsCanceled: (task, { dependents }) =>
      tell(task, async () => {
        for (const { taskId, userId } of dependents) {
          await publishEvent(redis, { taskId, userId }, { type: 'canceled' })
        }
      }),
  }
}
