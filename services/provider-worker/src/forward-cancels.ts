import type { Database } from '@funmagic/database/client'
import { recordOutcome } from '@funmagic/task/calls'
import { takeDueCancellations, type DueCancellation } from '@funmagic/task/cancellations'
import type { Account } from './accounts.ts'
import type { Events } from './events.ts'

export interface ForwardCancelsDeps {
  readonly database: Database
  readonly openAccount: (providerId: string) => Promise<Account>
  readonly events: Events
  readonly limits: { readonly cancelTimeoutMs: number }
}

const batchSize = 10
/** With the pauses of takeDueCancellations about seven minutes. */
const attemptsMax = 12

/**
 * Tells providers to stop the calls of tasks that were canceled or given up (T9, T15): whichever
 * worker comes first, again until the provider has taken it, and for a bounded time. The credits
 * went back when the task ended, so all this saves is the provider's work.
 */
export async function forwardCancels(deps: ForwardCancelsDeps): Promise<void> {
  try {
    const due = await takeDueCancellations(deps.database, { limit: batchSize })
    // Bounded by the size of the batch.
    await Promise.all(due.map(call => forward(deps, call)))
  } catch (error) {
    // Postgres is away: what is due stays due.
    deps.events.cancelsFailed(error)
  }
}

async function forward(deps: ForwardCancelsDeps, call: DueCancellation): Promise<void> {
  const { database, events } = deps
  const { callId, providerRequestId, attempts } = call
  try {
    if (providerRequestId !== null) {
      await stop(deps, { ...call, providerRequestId })
      await recordOutcome(database, { callId, state: 'failed', errorKind: 'canceled' })
      return events.callCanceled(call)
    }
  } catch (error) {
    events.cancelFailed(call, error)
  }
  if (attempts < attemptsMax) return
  // It has no id after all this time, or the provider does not answer: its own limits end it.
  await recordOutcome(database, { callId, state: 'failed', errorKind: 'not_canceled' })
}

async function stop(
  { openAccount, limits }: ForwardCancelsDeps,
  call: DueCancellation & { readonly providerRequestId: string },
): Promise<void> {
  const { provider } = await openAccount(call.providerId)
  const { providerRequestId, model } = call
  await provider.cancel({ providerRequestId, model }, AbortSignal.timeout(limits.cancelTimeoutMs))
}
