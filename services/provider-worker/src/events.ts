import { taskQueueName } from '@funmagic/contract/task'
import type { ProviderType } from '@funmagic/contract/tool'
import { toUsd } from '@funmagic/provider/budget'
import type { Logger } from '@funmagic/runtime/logger'
import type { Metrics } from '@funmagic/runtime/metrics'
import type { DueCancellation } from '@funmagic/task/cancellations'
import type { ClaimedTask, FinishedTask, HandBack } from '@funmagic/task/lifecycle'
import type { FailureCode } from '@funmagic/task/task-state'
import { createNumbers, type Numbers } from './numbers.ts'
import type { ObserveExchange } from './providers/exchange.ts'

/** What happens in the worker that operators want to know of: numbers and a line each. */
export interface Events extends TaskEvents {
  /** Every step of a conversation with a provider; a failure has its line with the task. */
  providerAnswered: ObserveExchange
  /** A provider has taken a call, for which the operator has set down what it takes. */
  callPaid(provider: ProviderType, costMicroUsd: number): void
  jobRefused(job: unknown): void
  callCanceled(call: DueCancellation): void
  cancelFailed(call: DueCancellation, error: unknown): void
  cancelsFailed(error: unknown): void
  connectionFailed(part: 'postgres' | 'redis' | 'queue', error: Error): void
  queuePolicyUnknown(reason: Error): void
  /** From here on the metrics show how long ago the worker last asked for work. */
  watchFetches(lastFetchAgeSeconds: () => number): void
}

interface TaskEvents {
  taskClaimed(task: ClaimedTask): void
  callResumed(task: ClaimedTask, callId: string): void
  taskCompleted(task: ClaimedTask, finished: FinishedTask): void
  taskFailed(task: ClaimedTask, finished: FinishedTask, end: TaskEnd): void
  taskRetried(task: ClaimedTask, retry: Retry): void
  taskHandedBack(task: ClaimedTask): void
  /** Its next attempt asks another model. */
  taskDetoured(task: ClaimedTask, error: unknown): void
  taskDiscarded(task: ClaimedTask): void
  /** Nothing is known about the end of this attempt; the sweeper sees to it. */
  taskCrashed(job: { taskId: string; requestId: string }, error: unknown): void
  /** Something beside the task went wrong; the task goes on without it. */
  sideWorkFailed(task: ClaimedTask, what: SideWork, error: unknown): void
}

export interface Retry {
  readonly delayMs: number
  readonly counts: HandBack['counts']
  readonly error: unknown
}

export interface TaskEnd {
  readonly code: FailureCode
  readonly error: unknown
}

export type SideWork = 'lease' | 'progress' | 'announcement' | 'cancel' | 'cleanup' | 'extra output'

/** Failures that a person has to look into (V-8). */
const operatorCodes: readonly FailureCode[] = ['PROVIDER_NOT_CONFIGURED', 'INTERNAL_ERROR']

export function createEvents(metrics: Metrics, logger: Logger): Events {
  const numbers = createNumbers(metrics.registry)
  return {
    ...createTaskEvents(numbers, logger),
    providerAnswered: numbers.countExchange,
    callPaid: (provider, costMicroUsd) => {
      numbers.costs.inc({ provider }, toUsd(costMicroUsd))
    },
    jobRefused: job => logger.error({ job }, 'job is not of the form of a task job'),
    callCanceled: call => {
      numbers.cancels.inc({ outcome: 'forwarded' })
      logger.info(callFieldsOf(call), 'provider told to stop')
    },
    cancelFailed: (call, error) => {
      numbers.cancels.inc({ outcome: 'failed' })
      logger.warn({ ...callFieldsOf(call), err: error }, 'provider not told to stop')
    },
    cancelsFailed: error => logger.warn({ err: error }, 'nobody could be told to stop'),
    connectionFailed: (part, error) => {
      numbers.connectionFailures.inc({ part })
      logger.warn({ part, err: error }, 'connection failed')
    },
    queuePolicyUnknown: reason => {
      logger.warn({ err: reason }, 'the eviction policy of the queue’s Redis cannot be read')
    },
    watchFetches: lastFetchAge => numbers.watchFetches(lastFetchAge),
  }
}

const retryReasons = { retry: 'retry', rateLimit: 'rate_limit', nothing: 'denied' } as const

function createTaskEvents(numbers: Numbers, logger: Logger): TaskEvents {
  return {
    taskClaimed: task => {
      if (task.attempt === 1) numbers.countWait(taskQueueName, task)
      logger.info(fieldsOf(task), 'task claimed')
    },
    callResumed: (task, callId) => {
      logger.info({ ...fieldsOf(task), callId }, 'provider call resumed')
    },
    taskCompleted: (task, finished) => {
      numbers.countEnd('completed', finished)
      logger.info(fieldsOf(task), 'task completed')
    },
    taskFailed: (task, finished, { code, error }) => {
      numbers.countEnd('failed', finished)
      const level = operatorCodes.includes(code) ? 'error' : 'warn'
      logger[level]({ ...fieldsOf(task), code, err: error }, 'task failed')
    },
    taskRetried: (task, { delayMs, counts, error }) => {
      numbers.interruptions.inc({ reason: retryReasons[counts] })
      logger.warn({ ...fieldsOf(task), delayMs, counts, err: error }, 'task will be tried again')
    },
    taskHandedBack: task => {
      numbers.interruptions.inc({ reason: 'stopping' })
      logger.info(fieldsOf(task), 'task handed back')
    },
    taskDetoured: (task, error) => {
      numbers.interruptions.inc({ reason: 'fallback' })
      logger.warn({ ...fieldsOf(task), err: error }, 'another model will be asked')
    },
    taskDiscarded: task => {
      numbers.interruptions.inc({ reason: 'superseded' })
      logger.warn(fieldsOf(task), 'claim is over, work discarded')
    },
    taskCrashed: ({ taskId, requestId }, error) => {
      numbers.interruptions.inc({ reason: 'crash' })
      logger.error({ taskId, requestId, err: error }, 'task left to the sweeper')
    },
    sideWorkFailed: (task, what, error) => {
      numbers.sideWorkFailures.inc({ what })
      logger.warn({ ...fieldsOf(task), what, err: error }, 'side work failed')
    },
  }
}

function fieldsOf({ id: taskId, requestId, userId, toolSlug, attempt }: ClaimedTask): object {
  return { taskId, requestId, userId, toolSlug, attempt }
}

function callFieldsOf({ taskId, requestId, callId, provider, attempts }: DueCancellation): object {
  return { taskId, requestId, callId, provider, attempts }
}
