import type { Database } from '@funmagic/database/client'
import {
  keepEvent,
  processEvent,
  type Application,
  type NewPaymentEvent,
} from '@funmagic/ledger/payment-events'
import type { Announcer } from './announce-credits.ts'
import type { Events } from './events.ts'

export interface InboxDeps {
  readonly database: Database
  readonly announcer: Announcer
  readonly events: Events
}

/** Keeps the event, then applies it; what cannot be applied now stays kept and is tried again. */
export async function takeEvent(deps: InboxDeps, event: NewPaymentEvent): Promise<Application> {
  const { id } = await keepEvent(deps.database, event)
  return applyKept(deps, { id, type: event.type })
}

/** Applies an event of the inbox and tells whoever it concerns. */
export async function applyKept(
  { database, announcer, events }: InboxDeps,
  event: { readonly id: string; readonly type: string },
): Promise<Application> {
  const application = await processEvent(database, event.id)
  events.paymentEventTaken(event, application)
  if (application.state === 'applied' && application.userId !== undefined) {
    await announcer.creditsChanged(application.userId)
  }
  return application
}
