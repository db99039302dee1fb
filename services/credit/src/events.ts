import type { Entry } from '@funmagic/ledger/entries'
import type { Logger } from '@funmagic/runtime/logger'
import type { Metrics } from '@funmagic/runtime/metrics'
import { Counter } from 'prom-client'

/** What happens in this service that operators want to know of: a counter and a line each. */
export interface Events {
  creditsAdjusted(entry: Entry, requestId: string): void
  announcementFailed(error: unknown, userId: string): void
  connectionFailed(part: 'postgres' | 'redis', error: unknown): void
}

const quietMs = 10_000

export function createEvents(metrics: Metrics, logger: Logger): Events {
  const registers = [metrics.registry]
  const adjustments = new Counter({
    name: 'credit_adjustments_total',
    help: 'Manual adjustments of credits.',
    labelNames: ['direction'] as const,
    registers,
  })
  const lostAnnouncements = new Counter({
    name: 'credit_announcements_lost_total',
    help: 'Changes of a balance that were not pushed to the user’s stream.',
    registers,
  })
  const failures = new Counter({
    name: 'connection_failures_total',
    help: 'Connections that broke outside a request.',
    labelNames: ['part'] as const,
    registers,
  })
  const loggedAtMs = new Map<string, number>()
  return {
    creditsAdjusted: (entry, requestId) => {
      adjustments.inc({ direction: entry.amount > 0 ? 'added' : 'taken' })
      const { id: entryId, userId, actorId, amount } = entry
      logger.info({ requestId, entryId, userId, actorId, amount }, 'credits adjusted')
    },
    announcementFailed: (error, userId) => {
      lostAnnouncements.inc()
      logger.warn({ err: error, userId }, 'balance not pushed')
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
