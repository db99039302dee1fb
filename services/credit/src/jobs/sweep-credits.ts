import type { Database } from '@funmagic/database/client'
import { expireGrants } from '@funmagic/ledger/grants'
import { noteLowBalances } from '@funmagic/ledger/low-balances'
import { countGivenUp, findDueEvents, readEvent } from '@funmagic/ledger/payment-events'
import { closeUnopened, takeUnsettled, type Payment } from '@funmagic/ledger/payments'
import { readOverdueMs } from '@funmagic/ledger/reservations'
import type { Announcer } from '../announce-credits.ts'
import type { Events } from '../events.ts'
import type { PaymentProvider } from '../stripe/stripe-payments.ts'
import { applyKept, takeEvent } from '../take-event.ts'

export interface SweepDeps {
  readonly database: Database
  readonly announcer: Announcer
  readonly events: Events
  readonly payments: PaymentProvider | undefined
  /** After so long without a webhook the provider is asked. */
  readonly quietMs?: number
}

const batchSize = 100
const askedMax = 20
const quietDefaultMs = 10 * 60_000
// Stripe forgets an Idempotency-Key after a day, and a session lives as long.
const unopenedMaxMs = 25 * 3_600_000
const lowBalanceLookMs = 15 * 60_000
const lowThresholds = [20, 5]

/**
 * What nobody else will end: credits past their time, events that were kept and not applied,
 * payments whose webhooks were lost, balances that nobody was told of. Several processes may
 * sweep at once; each thing happens once.
 */
export async function sweepCredits(deps: SweepDeps): Promise<void> {
  await attempt(deps, 'expire', () => expire(deps))
  await attempt(deps, 'events', () => applyDue(deps))
  await attempt(deps, 'payments', () => askAboutQuiet(deps))
  await attempt(deps, 'low-balances', () => tellLow(deps))
  await attempt(deps, 'sample', () => sample(deps))
}

/** A step that fails leaves the others their turn, and has its own at the next sweep. */
async function attempt(
  { events }: SweepDeps,
  step: string,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work()
  } catch (error) {
    events.sweepFailed(step, error)
  }
}

async function expire({ database, announcer, events }: SweepDeps): Promise<void> {
  for (const entry of await expireGrants(database, { limit: batchSize })) {
    events.creditsExpired(entry)
    await announcer.creditsChanged(entry.userId)
  }
}

async function applyDue(deps: SweepDeps): Promise<void> {
  for (const id of await findDueEvents(deps.database, { limit: batchSize })) {
    await applyKept(deps, await readEvent(deps.database, id))
  }
}

async function askAboutQuiet(deps: SweepDeps): Promise<void> {
  const { database, payments, quietMs = quietDefaultMs } = deps
  await closeUnopened(database, { olderThanMs: unopenedMaxMs })
  if (payments === undefined) return
  for (const payment of await takeUnsettled(database, { quietMs, limit: askedMax })) {
    await attempt(deps, 'payments', () => ask(deps, payments, payment))
  }
}

/** The answer takes the way of a webhook, as one event for each thing it can say. */
async function ask(deps: SweepDeps, payments: PaymentProvider, payment: Payment): Promise<void> {
  if (payment.sessionId === null) return
  const fact = await payments.readFact(payment.sessionId)
  if (fact.kind === 'nothing') return
  const eventId = `asked:${payment.sessionId}:${fact.kind}`
  await takeEvent(deps, { eventId, type: 'asked', fact })
}

async function tellLow({ database, announcer }: SweepDeps): Promise<void> {
  const options = { thresholds: lowThresholds, sinceMs: lowBalanceLookMs }
  for (const low of await noteLowBalances(database, options)) await announcer.balanceIsLow(low)
}

/** What no sweep mends, for the gauges that alarms look at. */
async function sample({ database, events }: SweepDeps): Promise<void> {
  const givenUpEvents = await countGivenUp(database)
  events.booksSampled({ givenUpEvents, overdueMs: await readOverdueMs(database) })
}
