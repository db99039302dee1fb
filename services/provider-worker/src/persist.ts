import { setTimeout as wait } from 'node:timers/promises'
import { sqlStateOf } from '@funmagic/database/transaction'

const triesMax = 7
const firstPauseMs = 500

/**
 * Writes what a provider has already done for us, through an outage of Postgres of about half a
 * minute (fault P-2): losing it would mean to pay the provider again. The write must be one that
 * may be repeated. Any other error, and the end of the patience, is thrown.
 */
export async function persist<Result>(
  write: () => Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  for (let tries = 1; ; tries++) {
    // Bounded by triesMax: the last error leaves the loop.
    try {
      return await write()
    } catch (error) {
      if (tries >= triesMax || signal.aborted || !isOutage(error)) throw error
      await wait(firstPauseMs * 2 ** (tries - 1))
    }
  }
}

/** Shutting down, starting up, out of connections, or not reachable at all. */
function isOutage(error: unknown): boolean {
  const code = sqlStateOf(error) ?? ''
  if (/^(08|53|57P)/.test(code) || /^E[A-Z]{4,}$/.test(code)) return true
  return code === '' && error instanceof Error && /connect|terminat|timeout/i.test(error.message)
}
