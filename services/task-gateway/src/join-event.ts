import type { Database } from '@funmagic/database/client'
import { markJoined, type ParkedEvent } from '@funmagic/provider/provider-events'
import type { Redis } from '@funmagic/runtime/redis'
import { publishNews } from '@funmagic/task/call-news'
import { findCall, recordSubmitted } from '@funmagic/task/calls'
import { hastenWakeUp } from '@funmagic/task/outbox'
import type { Events } from './events.ts'

export interface JoinDeps {
  readonly database: Database
  readonly redis: Redis
  readonly events: Pick<Events, 'announcementFailed'>
}

/**
 * Brings an event to its call: a call whose worker vanished before it learnt the provider's id
 * gets it here, and whoever waits for the call asks the provider now. The event is a hint and
 * nothing more: what has become of the call is what the provider answers, so an event that is
 * repeated, late or out of order changes nothing. False while there is no such call.
 */
export async function joinEvent(
  { database, redis, events }: JoinDeps,
  event: ParkedEvent,
): Promise<boolean> {
  const { callId, provider, providerRequestId } = event
  const call = await findCall(database, { provider, callId, providerRequestId })
  if (call === undefined) return false
  if (call.state === 'submitting') {
    await recordSubmitted(database, { callId: call.id, providerRequestId })
  }
  // Its task may be waiting for a later try.
  await hastenWakeUp(database, call.id)
  await markJoined(database, event.id)
  try {
    await publishNews(redis, providerRequestId)
  } catch (error) {
    // The worker asks by itself a second later.
    events.announcementFailed(error, call.id)
  }
  return true
}
