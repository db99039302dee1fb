import { setTimeout as sleep } from 'node:timers/promises'
import { Refusal } from './refusal.ts'

const pauseMs = 25

/**
 * Tries until it succeeds, the signal fires, or the time is over; then throws the last failure.
 * A Refusal ends it at once: trying again would not help.
 */
export async function until(
  attempt: () => Promise<unknown>,
  { deadlineMs, signal }: { deadlineMs: number; signal?: AbortSignal },
): Promise<void> {
  const endsAt = performance.now() + deadlineMs
  let failure: unknown
  do {
    signal?.throwIfAborted()
    try {
      await attempt()
      return
    } catch (error) {
      if (error instanceof Refusal) throw error
      failure = error
    }
    await sleep(pauseMs)
  } while (performance.now() < endsAt)
  throw new Error(`not ready within ${deadlineMs / 1000} s`, { cause: failure })
}
