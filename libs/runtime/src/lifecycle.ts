import { flushCompileCache } from 'node:module'
import { ConfigError, type Environment } from './config.ts'

export interface Lifecycle {
  /** Registers what to do at shutdown; the last registered is closed first. */
  onStop(name: string, close: () => Promise<unknown>): void
  /** Stops the process in order, with exit code 1: whoever started it starts it afresh. */
  abort(error: Error): void
}

const closeDeadlineMs = 25_000

/**
 * Runs a service: reads the environment once, prints every configuration fault, and at SIGTERM
 * or SIGINT closes what `main` registered, in reverse order and within 25 s (below the 30 s
 * after which ECS kills). A second signal exits at once.
 */
export async function run(
  service: string,
  main: (environment: Environment, lifecycle: Lifecycle) => Promise<void>,
): Promise<void> {
  const closers: { name: string; close: () => Promise<unknown> }[] = []
  let isStopping = false

  const stop = async (reason: string, exitCode: number): Promise<void> => {
    if (isStopping) process.exit(1)
    isStopping = true
    report(service, 'info', `stopping: ${reason}`)
    const deadline = setTimeout(() => {
      report(service, 'error', `not closed within ${closeDeadlineMs} ms`)
      process.exit(1)
    }, closeDeadlineMs)
    // What is still being opened while this goes on is closed as well.
    for (let closer = closers.pop(); closer !== undefined; closer = closers.pop()) {
      const { name, close } = closer
      await close().catch((error: unknown) => {
        report(service, 'error', `closing ${name} failed: ${String(error)}`)
        exitCode = 1
      })
    }
    clearTimeout(deadline)
    process.exit(exitCode)
  }

  process.on('SIGTERM', () => void stop('SIGTERM', 0))
  process.on('SIGINT', () => void stop('SIGINT', 0))
  process.on('uncaughtException', error => {
    report(service, 'fatal', error.stack ?? error.message)
    void stop('uncaught exception', 1)
  })

  try {
    // With NODE_COMPILE_CACHE: while nothing is open yet, rather than at the end, where it would
    // delay the stop.
    flushCompileCache()
    await main(process.env, {
      onStop: (name, close) => closers.push({ name, close }),
      abort: error => {
        report(service, 'fatal', error.message)
        if (!isStopping) void stop('aborted', 1)
      },
    })
  } catch (error) {
    report(service, 'fatal', describe(error))
    await stop('start failed', 1)
  }
}

function describe(error: unknown): string {
  if (error instanceof ConfigError) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

/** Before a logger exists and after it is gone, lines of the same form go to stdout. */
function report(service: string, level: 'info' | 'error' | 'fatal', msg: string): void {
  const levels = { info: 30, error: 50, fatal: 60 }
  const line = { level: levels[level], time: Date.now(), service, msg }
  process.stdout.write(`${JSON.stringify(line)}\n`)
}
