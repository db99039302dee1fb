// npm and the terminal may each deliver the same Ctrl-C.
const sameRequestMs = 1_000
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Fires at the first Ctrl-C, SIGTERM or SIGHUP, and calls back at the second. A repeat within a
 * second counts as the same one.
 */
export function watchStopRequests(onImpatience: () => void): AbortSignal {
  const controller = new AbortController()
  let firstAt: number | undefined
  for (const name of signals) {
    process.on(name, () => {
      if (firstAt === undefined) {
        firstAt = performance.now()
        controller.abort(new Error(`stopped by ${name}`))
      } else if (performance.now() - firstAt > sameRequestMs) {
        onImpatience()
      }
    })
  }
  return controller.signal
}
