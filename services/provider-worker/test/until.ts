import { setTimeout as wait } from 'node:timers/promises'

/** Waits until the condition holds, and throws when it still does not after the time. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 30_000,
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs
  while (performance.now() < deadlineMs) {
    if (await condition()) return
    await wait(10)
  }
  throw new Error(`still not so after ${timeoutMs} ms: ${condition}`)
}
