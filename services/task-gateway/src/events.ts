import type { TaskId } from '@funmagic/contract/ids'
import type { OverdueReservation } from '@funmagic/ledger/reservations'
import type { Logger } from '@funmagic/runtime/logger'
import type { Metrics } from '@funmagic/runtime/metrics'
import type { FinishedTask } from '@funmagic/task/lifecycle'
import type { QueueCounts } from '@funmagic/task/queue'
import type { QueueLoad, ToolLoad } from '@funmagic/task/queue-load'
import type { FailureCode } from '@funmagic/task/task-state'
import type { Task } from '@funmagic/task/tasks'
import { Counter, Gauge, type Registry } from 'prom-client'

/** The steps of a sweep, in their order. */
export type SweepStep =
  ('rescue' | 'poison' | 'deadline' | 'chain') | ('redispatch' | 'orphan' | 'purge' | 'join')

/** What happens in this service that operators want to know of: a number and a line each. */
export interface Events {
  taskSubmitted(task: Task): void
  taskCanceled(task: FinishedTask, requestId: string): void
  /** A task ended because the one that it waited for did. */
  dependentCanceled(task: FinishedTask): void
  taskGivenUp(task: FinishedTask, code: FailureCode): void
  orphanReleased(orphan: OverdueReservation): void
  dispatched(count: number): void
  dispatchFailed(error: unknown, failures: number): void
  dispatchRecovered(failures: number): void
  swept(step: SweepStep, count: number): void
  sweepFailed(step: SweepStep, error: unknown, taskId?: TaskId): void
  sweepEnded(): void
  backlogSampled(backlog: { unsent: number; oldestAgeMs: number }): void
  loadSampled(load: QueueLoad, tools: readonly ToolLoad[]): void
  /** Dead letters of the last hour that are not the fault of what was given. */
  failuresSampled(count: number): void
  queueSampled(queue: string, counts: QueueCounts): void
  /** How much of what may be spent at a provider today is spent. */
  budgetSampled(provider: string, usedRatio: number): void
  sampleFailed(part: 'outbox' | 'queue' | 'budgets', error: unknown): void
  adminChanged(change: AdminChanged): void
  announcementFailed(error: unknown, userId: string): void
  connectionFailed(part: 'postgres' | 'redis-cache' | 'redis-queue', error: unknown): void
}

/** A change by an operator; what it was is in the audit. */
export interface AdminChanged {
  readonly action: string
  readonly subjectId: string
  readonly actorId: string
  readonly requestId: string
}

export function createEvents(metrics: Metrics, logger: Logger): Events {
  return {
    ...createTaskEvents(metrics, logger),
    ...createDispatchEvents(metrics, logger),
    ...createSweepEvents(metrics, logger),
    ...createSampleEvents(metrics, logger),
    ...createBudgetEvents(metrics, logger),
    ...createFailureEvents(metrics, logger),
    ...createAdminEvents(metrics, logger),
  }
}

type TaskEvent =
  ('taskSubmitted' | 'taskCanceled' | 'dependentCanceled') | ('taskGivenUp' | 'orphanReleased')

function createTaskEvents({ registry }: Metrics, logger: Logger): Pick<Events, TaskEvent> {
  const registers = [registry]
  const submissions = new Counter({
    name: 'task_submissions_total',
    help: 'Tasks accepted and paid for; a repeat under one Idempotency-Key counts once.',
    labelNames: ['tool'] as const,
    registers,
  })
  const cancellations = new Counter({
    name: 'task_cancellations_total',
    help: 'Tasks that their owner canceled, or that waited for one that ended without a result.',
    labelNames: ['tool'] as const,
    registers,
  })
  const givenUp = new Counter({
    name: 'tasks_given_up_total',
    help: 'Tasks that the sweeper failed, because no worker brought them to an end.',
    labelNames: ['tool', 'code'] as const,
    registers,
  })
  const orphans = new Counter({
    name: 'orphan_reservations_released_total',
    help: 'Overdue reservations without an open task; any value above 0 is a fault of ours.',
    registers,
  })
  return {
    taskSubmitted: ({ id: taskId, userId, toolSlug, creditsCost, requestId }) => {
      submissions.inc({ tool: toolSlug })
      logger.info({ requestId, taskId, userId, toolSlug, creditsCost }, 'task submitted')
    },
    taskCanceled: ({ taskId, userId, toolSlug }, requestId) => {
      cancellations.inc({ tool: toolSlug })
      logger.info({ requestId, taskId, userId, toolSlug }, 'task canceled')
    },
    dependentCanceled: ({ taskId, userId, toolSlug }) => {
      cancellations.inc({ tool: toolSlug })
      logger.info({ taskId, userId, toolSlug }, 'task canceled with the one that it waited for')
    },
    taskGivenUp: ({ taskId, userId, toolSlug, attempt }, code) => {
      givenUp.inc({ tool: toolSlug, code })
      logger.warn({ taskId, userId, toolSlug, attempt, code }, 'task given up')
    },
    orphanReleased: orphan => {
      orphans.inc()
      logger.error({ ...orphan }, 'reservation without a task released')
    },
  }
}

function createDispatchEvents(
  { registry }: Metrics,
  logger: Logger,
): Pick<Events, 'dispatched' | 'dispatchFailed' | 'dispatchRecovered'> {
  const wakeUps = new Counter({
    name: 'outbox_sent_total',
    help: 'Wake-ups that reached the queue.',
    registers: [registry],
  })
  const failed = new Counter({
    name: 'outbox_failures_total',
    help: 'Batches that did not reach the queue; they are sent again.',
    registers: [registry],
  })
  return {
    dispatched: count => wakeUps.inc(count),
    dispatchFailed: (error, failures) => {
      failed.inc()
      // Once per outage: the gauges tell how long it lasts.
      if (failures === 1) logger.error({ err: error }, 'wake-ups cannot be sent')
    },
    dispatchRecovered: failures => logger.info({ failures }, 'wake-ups are sent again'),
  }
}

function createSweepEvents(
  { registry }: Metrics,
  logger: Logger,
): Pick<Events, 'swept' | 'sweepFailed' | 'sweepEnded'> {
  const actions = new Counter({
    name: 'sweep_actions_total',
    help: 'Rows that a step of the sweeper has put right.',
    labelNames: ['step'] as const,
    registers: [registry],
  })
  const failures = new Counter({
    name: 'sweep_failures_total',
    help: 'Failures of a step of the sweeper; it is tried again at the next sweep.',
    labelNames: ['step'] as const,
    registers: [registry],
  })
  const lastEnd = new Gauge({
    name: 'sweep_last_end_timestamp_seconds',
    help: 'When the last sweep ended; a standstill means that nothing is rescued.',
    registers: [registry],
  })
  return {
    swept: (step, count) => {
      actions.inc({ step }, count)
      if (step !== 'purge') logger.warn({ step, count }, 'swept')
    },
    sweepFailed: (step, error, taskId) => {
      failures.inc({ step })
      logger.error({ err: error, step, taskId }, 'a step of the sweeper failed')
    },
    sweepEnded: () => lastEnd.setToCurrentTime(),
  }
}

const budgetAlarmRatio = 0.8

function createBudgetEvents({ registry }: Metrics, logger: Logger): Pick<Events, 'budgetSampled'> {
  const used = new Gauge({
    name: 'provider_budget_used_ratio',
    help: 'Part of what may be spent at a provider in a day of UTC that is spent; alarm at 0.8.',
    labelNames: ['provider'],
    registers: [registry],
  })
  const alarmed = new Set<string>()
  return {
    budgetSampled: (provider, usedRatio) => {
      used.set({ provider }, usedRatio)
      if (usedRatio < budgetAlarmRatio) alarmed.delete(provider)
      else if (!alarmed.has(provider)) {
        alarmed.add(provider)
        logger.warn({ provider, usedRatio }, 'most of what may be spent at a provider is spent')
      }
    },
  }
}

type SampleEvent =
  'backlogSampled' | 'loadSampled' | 'failuresSampled' | 'queueSampled' | 'sampleFailed'

function createSampleEvents({ registry }: Metrics, logger: Logger): Pick<Events, SampleEvent> {
  const registers = [registry]
  const labelNames = ['queue'] as const
  const unsent = new Gauge({
    name: 'outbox_unsent',
    help: 'Wake-ups that are due and have not reached the queue.',
    registers,
  })
  const oldest = new Gauge({
    name: 'outbox_oldest_unsent_age_seconds',
    help: 'For how long the oldest of them has been due.',
    registers,
  })
  const deadLetters = new Gauge({
    name: 'dead_letters_last_hour',
    help: 'Tasks that failed within the hour through no fault of their input.',
    registers,
  })
  const waiting = new Gauge({ name: 'bullmq_waiting', help: 'Waiting.', labelNames, registers })
  const active = new Gauge({ name: 'bullmq_active', help: 'Running.', labelNames, registers })
  const failed = new Gauge({ name: 'bullmq_failed', help: 'Failed.', labelNames, registers })
  return {
    backlogSampled: backlog => {
      unsent.set(backlog.unsent)
      oldest.set(backlog.oldestAgeMs / 1000)
    },
    loadSampled: watchLoad(registers),
    failuresSampled: count => deadLetters.set(count),
    queueSampled: (queue, counts) => {
      waiting.set({ queue }, counts.waiting)
      active.set({ queue }, counts.active)
      failed.set({ queue }, counts.failed)
    },
    sampleFailed: (part, error) => logger.warn({ err: error, part }, 'not sampled'),
  }
}

/** `task_oldest_wait_seconds` is what workers are to be scaled by: it says how late they are. */
function watchLoad(registers: Registry[]): Events['loadSampled'] {
  const waiting = new Gauge({
    name: 'tasks_waiting',
    help: 'Tasks that could run and that no worker has taken up.',
    registers,
  })
  const oldest = new Gauge({
    name: 'task_oldest_wait_seconds',
    help: 'How long ago the oldest of them became ready to run.',
    registers,
  })
  const open = new Gauge({
    name: 'tasks_open',
    help: 'Tasks that have not ended, by tool.',
    labelNames: ['tool', 'status'] as const,
    registers,
  })
  return (load, tools) => {
    waiting.set(load.waiting)
    oldest.set(load.oldestWaitMs / 1000)
    open.reset()
    for (const { toolSlug: tool, pending, processing } of tools) {
      open.set({ tool, status: 'pending' }, pending)
      open.set({ tool, status: 'processing' }, processing)
    }
  }
}

const quietMs = 10_000

function createFailureEvents(
  { registry }: Metrics,
  logger: Logger,
): Pick<Events, 'announcementFailed' | 'connectionFailed'> {
  const lostAnnouncements = new Counter({
    name: 'task_announcements_lost_total',
    help: 'Changes that were not pushed to a stream; its watchers find them by themselves.',
    registers: [registry],
  })
  const failures = new Counter({
    name: 'connection_failures_total',
    help: 'Connections that broke outside a request.',
    labelNames: ['part'] as const,
    registers: [registry],
  })
  const loggedAtMs = new Map<string, number>()
  return {
    announcementFailed: (error, userId) => {
      lostAnnouncements.inc()
      logger.warn({ err: error, userId }, 'change not pushed')
    },
    connectionFailed: (part, error) => {
      failures.inc({ part })
      // A client that reconnects fails several times a second: one line in a while says it.
      if (performance.now() - (loggedAtMs.get(part) ?? -Infinity) < quietMs) return
      loggedAtMs.set(part, performance.now())
      logger.warn({ err: error, part }, 'connection failed')
    },
  }
}

function createAdminEvents({ registry }: Metrics, logger: Logger): Pick<Events, 'adminChanged'> {
  const changes = new Counter({
    name: 'admin_changes_total',
    help: 'What operators changed; admin_events has who and what.',
    labelNames: ['action'] as const,
    registers: [registry],
  })
  return {
    adminChanged: change => {
      changes.inc({ action: change.action })
      logger.info({ ...change }, 'changed by an operator')
    },
  }
}
