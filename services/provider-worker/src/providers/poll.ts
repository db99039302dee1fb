import { setTimeout as wait } from 'node:timers/promises'
import { ProviderFailure } from './provider.ts'

/** Waits, at most so long, for news of the call with the provider's id. */
export type Pause = (providerRequestId: string, ms: number, signal: AbortSignal) => Promise<void>

export interface PollTerms {
  readonly intervalMs: number
  readonly signal: AbortSignal
  /** A wait of its own, in place of one of the whole time. */
  readonly pause?: ((ms: number) => Promise<void>) | undefined
}

/** Questions in a row that may fail before the wait is given up and counted as a retry. */
const failuresMax = 4
const retryAfterMaxMs = 15_000

/**
 * Asks until there is an answer. A question costs nothing and changes nothing, so a few that
 * fail in a row are asked again; a final failure ends the wait at once. The caller's signal,
 * with the time of the step in it, is the bound.
 */
export async function pollUntilDone<Result>(
  ask: () => Promise<Result | undefined>,
  { intervalMs, signal, pause = ms => waitFor(ms, signal) }: PollTerms,
): Promise<Result> {
  let failures = 0
  // Bounded by the signal, which aborts when the time of the step is over.
  while (true) {
    let pauseMs = intervalMs
    try {
      const result = await ask()
      if (result !== undefined) return result
      failures = 0
    } catch (error) {
      if (!(error instanceof ProviderFailure) || error.isFinal) throw error
      failures += 1
      if (failures >= failuresMax) throw error
      const askedMs = Math.min(error.retryAfterMs ?? 0, retryAfterMaxMs)
      pauseMs = Math.max(intervalMs * 2 ** failures, askedMs)
    }
    await pause(pauseMs)
  }
}

async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await wait(ms, undefined, { signal })
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
}
