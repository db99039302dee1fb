import type { Adjustment } from '@funmagic/ledger/adjustments'
import type { Entry } from '@funmagic/ledger/entries'
import type { Application } from '@funmagic/ledger/payment-events'
import type { Counterexample } from '@funmagic/ledger/proof'
import type { Logger } from '@funmagic/runtime/logger'
import type { Metrics } from '@funmagic/runtime/metrics'
import { Counter, Gauge } from 'prom-client'

/** What happens in this service that operators want to know of: a counter and a line each. */
export interface Events {
  creditsAdjusted(entry: Entry, requestId: string): void
  adjustmentRequested(adjustment: Adjustment, requestId: string): void
  adjustmentDecided(adjustment: Adjustment, requestId: string): void
  creditsExpired(entry: Entry): void
  paymentEventTaken(event: { id: string; type: string }, application: Application): void
  booksSampled(sample: BooksSample): void
  booksProven(proof: BooksProof): void
  sweepFailed(step: string, error: unknown): void
  announcementFailed(error: unknown, userId: string): void
  connectionFailed(part: 'postgres' | 'redis', error: unknown): void
}

/** What a person has to look at when it is not 0. */
export interface BooksSample {
  /** Payment events that are not tried again by themselves. */
  readonly givenUpEvents: number
  /** How long ago the deadline of the longest overdue reservation passed. */
  readonly overdueMs: number
}

export interface BooksProof {
  readonly findings: number
  /** The first of them. */
  readonly examples: readonly Counterexample[]
  readonly tookMs: number
}

const quietMs = 10_000

export function createEvents(metrics: Metrics, logger: Logger): Events {
  const counters = createCounters(metrics)
  return {
    ...eventsOfBooks(counters, logger),
    ...eventsOfProof(metrics, logger),
    ...eventsOfParts(counters, logger),
  }
}

type Counters = ReturnType<typeof createCounters>

function createCounters(metrics: Metrics) {
  const registers = [metrics.registry]
  const adjustments = new Counter({
    name: 'credit_adjustments_total',
    help: 'Manual adjustments of credits.',
    labelNames: ['direction'] as const,
    registers,
  })
  const decisions = new Counter({
    name: 'credit_adjustments_decided_total',
    help: 'Large adjustments by what a second operator said.',
    labelNames: ['state'] as const,
    registers,
  })
  const expired = new Counter({
    name: 'credits_expired_total',
    help: 'Credits of grants that expired.',
    registers,
  })
  const paymentEvents = new Counter({
    name: 'payment_events_total',
    help: 'Events of the payment provider by what became of them.',
    labelNames: ['state'] as const,
    registers,
  })
  const sweepFailures = new Counter({
    name: 'credit_sweep_failures_total',
    help: 'Steps of the sweep of credits that failed.',
    labelNames: ['step'] as const,
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
  return {
    adjustments,
    decisions,
    expired,
    paymentEvents,
    sweepFailures,
    lostAnnouncements,
    failures,
  }
}

type ProofEvents = Pick<Events, 'booksSampled' | 'booksProven'>
type PartEvents = Pick<Events, 'sweepFailed' | 'announcementFailed' | 'connectionFailed'>
type BookEvents = Omit<Events, keyof ProofEvents | keyof PartEvents>

function eventsOfBooks(counters: Counters, logger: Logger): BookEvents {
  return {
    creditsAdjusted: (entry, requestId) => {
      counters.adjustments.inc({ direction: entry.amount > 0 ? 'added' : 'taken' })
      const { id: entryId, userId, actorId, amount } = entry
      logger.info({ requestId, entryId, userId, actorId, amount }, 'credits adjusted')
    },
    adjustmentRequested: (adjustment, requestId) => {
      const { id: adjustmentId, userId, requestedBy, amount } = adjustment
      const line = { requestId, adjustmentId, userId, requestedBy, amount }
      logger.info(line, 'adjustment waits for a second operator')
    },
    adjustmentDecided: (adjustment, requestId) => {
      const { id: adjustmentId, state, userId, decidedBy, amount } = adjustment
      counters.decisions.inc({ state })
      logger.info(
        { requestId, adjustmentId, state, userId, decidedBy, amount },
        'adjustment decided',
      )
    },
    creditsExpired: ({ id: entryId, userId, amount }) => {
      counters.expired.inc(-amount)
      logger.info({ entryId, userId, amount }, 'credits expired')
    },
    paymentEventTaken: ({ id, type }, { state, userId, payment, error }) => {
      counters.paymentEvents.inc({ state })
      const line = { paymentEventId: id, type, state, userId, paymentId: payment?.id }
      if (error === undefined) logger.info(line, 'payment event taken')
      else logger.error({ ...line, err: error }, 'payment event failed')
    },
  }
}

function eventsOfProof(metrics: Metrics, logger: Logger): ProofEvents {
  const registers = [metrics.registry]
  const givenUp = new Gauge({
    name: 'payment_events_failed',
    help: 'Payment events that are not tried again by themselves.',
    registers,
  })
  const overdue = new Gauge({
    name: 'reservation_overdue_seconds',
    help: 'How long ago the deadline of the longest overdue reservation passed.',
    registers,
  })
  const findings = new Gauge({
    name: 'ledger_findings',
    help: 'Rows that broke a rule of the books at the last proof; any is a fault of ours.',
    registers,
  })
  const provenAt = new Gauge({
    name: 'ledger_proof_timestamp_seconds',
    help: 'When the books were last proven.',
    registers,
  })
  return {
    booksSampled: ({ givenUpEvents, overdueMs }) => {
      givenUp.set(givenUpEvents)
      overdue.set(overdueMs / 1000)
    },
    booksProven: ({ findings: count, examples, tookMs }) => {
      findings.set(count)
      provenAt.setToCurrentTime()
      for (const { invariant, claim, row } of examples) {
        logger.error({ invariant, claim, row }, 'the books are wrong')
      }
      logger.info({ findings: count, tookMs: Math.round(tookMs) }, 'books proven')
    },
  }
}

function eventsOfParts(counters: Counters, logger: Logger): PartEvents {
  const loggedAtMs = new Map<string, number>()
  return {
    sweepFailed: (step, error) => {
      counters.sweepFailures.inc({ step })
      logger.warn({ err: error, step }, 'sweep of credits failed')
    },
    announcementFailed: (error, userId) => {
      counters.lostAnnouncements.inc()
      logger.warn({ err: error, userId }, 'balance not pushed')
    },
    connectionFailed: (part, error) => {
      counters.failures.inc({ part })
      // A client that reconnects fails several times a second: one line in a while says it.
      if (performance.now() - (loggedAtMs.get(part) ?? -Infinity) < quietMs) return
      loggedAtMs.set(part, performance.now())
      logger.warn({ err: error, part }, 'connection failed')
    },
  }
}
