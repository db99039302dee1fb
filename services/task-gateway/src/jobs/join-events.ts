import { findParked, forgetEvents } from '@funmagic/provider/provider-events'
import type { Events } from '../events.ts'
import { joinEvent, type JoinDeps } from '../join-event.ts'

const batchSize = 100
// A call's row is written before the call is made, so an event waits for moments, if at all.
const parkedForMs = 3_600_000
const bodyMs = 24 * 3_600_000
// Longer than any provider repeats a delivery.
const rowMs = 7 * 24 * 3_600_000

export interface JoinEventsDeps extends JoinDeps {
  readonly events: JoinDeps['events'] & Pick<Events, 'sweepFailed'>
}

/** Joins the events that came before their call, and forgets old ones. */
export async function joinEvents(deps: JoinEventsDeps): Promise<void> {
  try {
    await joinParked(deps)
  } catch (error) {
    // Postgres is away: what is parked stays so until the next time.
    deps.events.sweepFailed('join', error)
  }
}

async function joinParked(deps: JoinDeps): Promise<void> {
  const { database } = deps
  const parked = await findParked(database, { youngerThanMs: parkedForMs, limit: batchSize })
  for (const event of parked) await joinEvent(deps, event)
  await forgetEvents(database, { bodyMs, rowMs, limit: batchSize })
}
