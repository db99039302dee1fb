import type { Sessions } from '@funmagic/session/session'
import type { Events } from '../events.ts'

const intervalMs = 600_000
const batchMax = 1_000

/**
 * Clears away sessions that have ended by themselves, a batch every ten minutes; they are refused
 * before that too. Several processes share the work without waiting for each other.
 */
export function startExpiringSessions(deps: { sessions: Sessions; events: Events }): () => void {
  const timer = setInterval(() => void expireSessions(deps), intervalMs)
  timer.unref()
  return () => clearInterval(timer)
}

/** One batch; a failure is reported and the next round tries again. */
export async function expireSessions(deps: { sessions: Sessions; events: Events }): Promise<void> {
  try {
    deps.events.sessionsExpired(await deps.sessions.deleteExpired(batchMax))
  } catch (error) {
    deps.events.expiryFailed(error)
  }
}
