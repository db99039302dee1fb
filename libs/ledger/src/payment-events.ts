import { newId } from '@funmagic/contract/ids'
import type { PaymentEventState } from '@funmagic/contract/credit'
import type { PageOf, PageRequest } from '@funmagic/contract/page'
import { AppError } from '@funmagic/contract/problem'
import type { Database, Queryable } from '@funmagic/database/client'
import { empty, sql } from '@funmagic/database/sql'
import { inTransaction } from '@funmagic/database/transaction'
import { applyEvent, PaymentRefused, type Application } from './payment-facts.ts'
import type { PaymentFact } from './payment-facts.ts'

export type { Application, PaymentFact } from './payment-facts.ts'

/**
 * The inbox: an event of a payment provider is kept first and applied then, each in a transaction
 * of its own. So a repeat finds the first (M13), and what fails can be tried again (C1).
 */
export interface PaymentEvent {
  readonly id: string
  readonly provider: string
  readonly eventId: string
  readonly type: string
  readonly state: PaymentEventState
  readonly paymentId: string | null
  readonly attempts: number
  readonly lastError: string | null
  readonly nextAttemptAt: Date | null
  readonly receivedAt: Date
  readonly processedAt: Date | null
}

export interface NewPaymentEvent {
  readonly eventId: string
  readonly type: string
  readonly fact: PaymentFact
}

const columns = sql`
  id, provider, event_id AS "eventId", type, state, payment_id AS "paymentId", attempts,
  last_error AS "lastError", next_attempt_at AS "nextAttemptAt", received_at AS "receivedAt",
  processed_at AS "processedAt"`
const attemptsMax = 20
const retryDelayMaxSeconds = 3_600

/** Keeps the event; of any number of repeats all get the first one's row. */
export async function keepEvent(
  database: Queryable,
  { eventId, type, fact }: NewPaymentEvent,
): Promise<{ readonly id: string; readonly isNew: boolean }> {
  const intent = 'paymentIntentId' in fact ? fact.paymentIntentId : null
  const { rows } = await database.query<{ id: string }>(sql`
    INSERT INTO payment_events (id, provider, event_id, type, fact, payment_intent_id,
      next_attempt_at)
    VALUES (${newId()}, 'stripe', ${eventId}, ${type}, ${JSON.stringify(fact)}::jsonb, ${intent},
      now() + interval '1 minute')
    ON CONFLICT (provider, event_id) DO NOTHING RETURNING id
  `)
  if (rows[0]) return { id: rows[0].id, isNew: true }
  const earlier = await database.query<{ id: string }>(
    sql`SELECT id FROM payment_events WHERE provider = 'stripe' AND event_id = ${eventId}`,
  )
  if (!earlier.rows[0]) throw new Error(`event ${eventId} is neither new nor known`)
  return { id: earlier.rows[0].id, isNew: false }
}

/**
 * Applies a kept event, once, or notes why it could not be: what may pass is tried again with
 * growing delays, what contradicts the sale waits for a person.
 */
export async function processEvent(database: Database, id: string): Promise<Application> {
  try {
    return await inTransaction(database, tx => applyEvent(tx, id))
  } catch (error) {
    await noteFailure(database, id, error)
    return { state: 'failed', error }
  }
}

async function noteFailure(database: Database, id: string, error: unknown): Promise<void> {
  const reason = error instanceof Error ? error.message : String(error)
  const isFinal = error instanceof PaymentRefused
  await database.query(sql`
    UPDATE payment_events SET state = 'failed', attempts = attempts + 1,
      last_error = ${reason.slice(0, 500)},
      next_attempt_at = CASE WHEN ${isFinal} OR attempts + 1 >= ${attemptsMax} THEN NULL
        ELSE now() + least(30 * 2 ^ attempts, ${retryDelayMaxSeconds}) * interval '1 second' END
    WHERE id = ${id} AND state NOT IN ('applied', 'ignored')
  `)
}

/** Events that were left behind or are to be tried again, the longest due first. */
export async function findDueEvents(
  database: Queryable,
  options: { readonly limit: number },
): Promise<string[]> {
  const { rows } = await database.query<{ id: string }>(sql`
    SELECT id FROM payment_events WHERE next_attempt_at <= now()
    ORDER BY next_attempt_at LIMIT ${options.limit}
  `)
  return rows.map(({ id }) => id)
}

/** How many events are not tried again by themselves: a person has to look at each. */
export async function countGivenUp(database: Queryable): Promise<number> {
  const { rows } = await database.query<{ count: number }>(sql`
    SELECT count(*) AS count FROM payment_events
    WHERE state = 'failed' AND next_attempt_at IS NULL
  `)
  return rows[0]?.count ?? 0
}

/** The event as it stands. Throws NOT_FOUND. */
export async function readEvent(database: Queryable, id: string): Promise<PaymentEvent> {
  const { rows } = await database.query<PaymentEvent>(
    sql`SELECT ${columns} FROM payment_events WHERE id = ${id}`,
  )
  if (!rows[0]) throw new AppError('NOT_FOUND')
  return rows[0]
}

/** All events, newest first, or those in one state. */
export async function listEvents(
  database: Queryable,
  page: PageRequest & { readonly state?: PaymentEventState | undefined },
): Promise<PageOf<PaymentEvent>> {
  const { state, beforeId, limit } = page
  const { rows } = await database.query<PaymentEvent>(sql`
    SELECT ${columns} FROM payment_events
    WHERE ${state === undefined ? sql`true` : sql`state = ${state}::payment_event_state`}
      ${beforeId === undefined ? empty : sql`AND id < ${beforeId}`}
    ORDER BY id DESC LIMIT ${limit + 1}
  `)
  const items = rows.slice(0, limit)
  return { items, nextCursor: rows.length > limit ? (items.at(-1)?.id ?? null) : null }
}
