import type { Logger } from '@funmagic/runtime/logger'
import type { Metrics } from '@funmagic/runtime/metrics'
import { Counter, Gauge } from 'prom-client'
import type { CloseReason } from './open-streams.ts'

/** What this service tells the operators: one helper per event, counter and log line together. */
export interface Events {
  opened(): void
  closed(reason: CloseReason): void
  failed(what: string, error: unknown): void
}

export function createEvents(deps: {
  logger: Logger
  metrics: Metrics
  channelCount: () => number
}): Events {
  const registers = [deps.metrics.registry]
  const open = new Gauge({ name: 'streams_open', help: 'Streams that are open.', registers })
  const closed = new Counter({
    name: 'streams_closed_total',
    help: 'Streams that ended, by reason.',
    labelNames: ['reason'],
    registers,
  })
  const failures = new Counter({
    name: 'stream_failures_total',
    help: 'Reads that failed while streams stayed open.',
    labelNames: ['what'],
    registers,
  })
  // More channels than streams is a leak.
  new Gauge({
    name: 'stream_channels',
    help: 'Redis channels that are subscribed to.',
    registers,
    collect() {
      this.set(deps.channelCount())
    },
  })
  return {
    opened: () => open.inc(),
    closed: reason => {
      open.dec()
      closed.inc({ reason })
      if (reason === 'slow_consumer') deps.logger.warn('a stream was cut: its reader is too slow')
    },
    failed: (what, error) => {
      failures.inc({ what })
      deps.logger.warn({ err: error, what }, 'a read failed; streams stay open')
    },
  }
}
