const sameMomentMs = 1_000
const interruptedCode = 130

/**
 * Aborts at the first Ctrl-C or request to stop. A terminal, npm and the bootstrap may each send
 * the same one, so what follows within a second counts as one; a later one exits at once.
 */
export function stopSignal(): AbortSignal {
  const controller = new AbortController()
  let firstAt = 0
  const stop = () => {
    if (firstAt === 0) firstAt = Date.now()
    else if (Date.now() - firstAt > sameMomentMs) process.exit(interruptedCode)
    controller.abort()
  }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, stop)
  return controller.signal
}
