import type { ClaimedTask, FinishedTask } from '@funmagic/task/lifecycle'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { ObserveExchange } from './providers/exchange.ts'

/** The metrics of the worker, under the seeds' names (O4, O5). */
export interface Numbers {
  readonly countExchange: ObserveExchange
  countWait(queue: string, task: ClaimedTask): void
  countEnd(status: 'completed' | 'failed', task: FinishedTask): void
  watchFetches(lastFetchAgeSeconds: () => number): void
  readonly interruptions: Counter<'reason'>
  readonly cancels: Counter<'outcome'>
  readonly costs: Counter<'provider'>
  readonly sideWorkFailures: Counter<'what'>
  readonly connectionFailures: Counter<'part'>
}

const taskBucketsSeconds = [0.5, 1, 2, 5, 10, 20, 30, 60, 120, 180, 300, 600, 1_200, 3_600]
const waitBucketsSeconds = [0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 300]
const exchangeBucketsSeconds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]

export function createNumbers(registry: Registry): Numbers {
  const registers = [registry]
  return {
    countExchange: countExchanges(registry),
    ...countTasks(registry),
    watchFetches: lastFetchAgeSeconds => {
      new Gauge({
        name: 'queue_last_fetch_age_seconds',
        help: 'Time since this worker last asked its queue for work; grows when it is wedged.',
        registers,
        collect() {
          this.set(lastFetchAgeSeconds())
        },
      })
    },
    interruptions: new Counter({
      name: 'task_attempts_interrupted_total',
      help: 'Attempts that did not end their task.',
      labelNames: ['reason'],
      registers,
    }),
    cancels: new Counter({
      name: 'provider_cancels_total',
      help: 'Times that a provider was to be told to stop a call whose task had ended.',
      labelNames: ['outcome'],
      registers,
    }),
    costs: new Counter({
      name: 'provider_cost_usd_total',
      help: 'Dollars that providers take for the calls that they accepted, as operators set down.',
      labelNames: ['provider'],
      registers,
    }),
    sideWorkFailures: new Counter({
      name: 'task_side_work_failures_total',
      help: 'What went wrong beside a task, which went on without it.',
      labelNames: ['what'],
      registers,
    }),
    connectionFailures: new Counter({
      name: 'connection_failures_total',
      help: 'Connections that broke outside a task.',
      labelNames: ['part'],
      registers,
    }),
  }
}

function countExchanges(registry: Registry): ObserveExchange {
  const registers = [registry]
  const durations = new Histogram({
    name: 'provider_api_duration_seconds',
    help: 'Time that one step of a conversation with a provider took.',
    labelNames: ['provider', 'operation'],
    buckets: exchangeBucketsSeconds,
    registers,
  })
  const errors = new Counter({
    name: 'provider_errors_total',
    help: 'Failures of providers, by kind.',
    labelNames: ['provider', 'error_type'],
    registers,
  })
  const rateLimitHits = new Counter({
    name: 'provider_rate_limit_hits_total',
    help: 'Times that a provider answered with 429.',
    labelNames: ['provider'],
    registers,
  })
  return ({ provider, operation, seconds, failure }) => {
    durations.observe({ provider, operation }, seconds)
    if (failure === undefined) return
    errors.inc({ provider, error_type: failure })
    if (failure === 'throttled') rateLimitHits.inc({ provider })
  }
}

/** All times are of the database's clock, so that none is negative (T-1). */
function countTasks(registry: Registry): Pick<Numbers, 'countWait' | 'countEnd'> {
  const registers = [registry]
  const ends = new Counter({
    name: 'tasks_total',
    help: 'Tasks that ended, by their status.',
    labelNames: ['tool', 'status'],
    registers,
  })
  const durations = new Histogram({
    name: 'task_duration_seconds',
    help: 'Time from the first claim of a task to its end.',
    labelNames: ['tool', 'status'],
    buckets: taskBucketsSeconds,
    registers,
  })
  const waits = new Histogram({
    name: 'task_queue_wait_seconds',
    help: 'Time from the submission of a task to its first claim.',
    labelNames: ['queue'],
    buckets: waitBucketsSeconds,
    registers,
  })
  return {
    countWait: (queue, { createdAt, startedAt }) => {
      if (startedAt !== null) waits.observe({ queue }, secondsIn([createdAt, startedAt]))
    },
    countEnd: (status, { toolSlug: tool, createdAt, startedAt, finishedAt }) => {
      ends.inc({ tool, status })
      durations.observe({ tool, status }, secondsIn([startedAt ?? createdAt, finishedAt]))
    },
  }
}

function secondsIn([from, to]: readonly [Date, Date]): number {
  return (to.getTime() - from.getTime()) / 1000
}
