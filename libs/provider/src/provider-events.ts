import { newId } from '@funmagic/contract/ids'
import type { ProviderType } from '@funmagic/contract/tool'
import type { Queryable } from '@funmagic/database/client'
import { sql } from '@funmagic/database/sql'

/** What a provider says about a call, after its signature was found to be right. */
export interface ProviderEvent {
  readonly provider: ProviderType
  /** The provider's id of the event, the same at every repeat of it. */
  readonly eventId: string
  /** Our id of the call, from the address that we gave the provider. */
  readonly callId: string | undefined
  readonly providerRequestId: string
  readonly status: string
}

export interface ParkedEvent extends ProviderEvent {
  readonly id: string
}

/** Keeps an event, parked. Undefined for one that is there already: it has had its effect. */
export async function recordEvent(
  database: Queryable,
  event: ProviderEvent & { readonly body: Uint8Array },
): Promise<string | undefined> {
  const { rows } = await database.query<{ id: string }>(sql`
    INSERT INTO provider_events
      (id, provider, event_id, call_id, provider_request_id, status, body)
    VALUES (${newId()}, ${event.provider}::provider_type, ${event.eventId},
      ${event.callId ?? null}, ${event.providerRequestId}, ${event.status}, ${event.body})
    ON CONFLICT (provider, event_id) DO NOTHING
    RETURNING id
  `)
  return rows[0]?.id
}

/** The event has found its call. */
export async function markJoined(database: Queryable, eventId: string): Promise<void> {
  await database.query(sql`
    UPDATE provider_events SET joined_at = now() WHERE id = ${eventId} AND joined_at IS NULL
  `)
}

/** Events that have not found their call yet and may still do so, oldest first. */
export async function findParked(
  database: Queryable,
  options: { readonly youngerThanMs: number; readonly limit: number },
): Promise<ParkedEvent[]> {
  const { rows } = await database.query<ParkedEvent>(sql`
    SELECT id, provider, event_id AS "eventId", call_id AS "callId",
      provider_request_id AS "providerRequestId", status
    FROM provider_events
    WHERE joined_at IS NULL
      AND received_at > now() - ${options.youngerThanMs} * interval '1 millisecond'
    ORDER BY received_at LIMIT ${options.limit}
  `)
  return rows.map(({ callId, ...row }) => ({ ...row, callId: callId ?? undefined }))
}

/**
 * Bodies are kept briefly, to look into a dispute; rows longer, so that a late repeat is known.
 * Returns how many rows it deleted.
 */
export async function forgetEvents(
  database: Queryable,
  ages: { readonly bodyMs: number; readonly rowMs: number; readonly limit: number },
): Promise<number> {
  await database.query(sql`
    UPDATE provider_events SET body = NULL WHERE id IN (
      SELECT id FROM provider_events
      WHERE body IS NOT NULL AND received_at < now() - ${ages.bodyMs} * interval '1 millisecond'
      LIMIT ${ages.limit}
    )
  `)
  const { rowCount } = await database.query(sql`
    DELETE FROM provider_events WHERE id IN (
      SELECT id FROM provider_events
      WHERE received_at < now() - ${ages.rowMs} * interval '1 millisecond'
      LIMIT ${ages.limit}
    )
  `)
  return rowCount ?? 0
}
