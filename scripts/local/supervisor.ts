import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Child, describeEnding, type ChildPlan, type Ending } from './child.ts'
import { LogFile } from './log-file.ts'
import { readLogLine, warnLevel } from './log-line.ts'
import { Refusal } from './refusal.ts'
import type { Report } from './report.ts'
import type { RunRecord } from './run-record.ts'
import { until } from './waiting.ts'

/** A process of the system, and how one knows that it works. */
export interface Part {
  readonly plan: ChildPlan
  readonly check: () => Promise<unknown>
  readonly readyDeadlineMs: number
  /** Whether its warnings are worth a line in the terminal; the log has everything. */
  readonly isHeard: boolean
}

interface Running {
  readonly part: Part
  child: Child
  startedAt: number
  failures: number
}

export interface SupervisorOptions {
  readonly report: Report
  readonly record: RunRecord
  readonly logsFolder: string
  /** Gives up what is being started; what runs is ended with `stop`. */
  readonly signal: AbortSignal
  /** Told when a process was replaced by another. */
  readonly onRestart: () => Promise<void>
}

const backoffFirstMs = 500
const backoffMaxMs = 30_000
// Whoever ran this long has recovered: the next failure is a first one again.
const recoveredAfterMs = 60_000
const shownLinesMax = 15

/**
 * Starts processes, brings them back when they fail, and ends them in order. However this process
 * exits by itself, what it started is killed with it.
 */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #running: Running[] = []
  readonly #watches = new Map<Running, Promise<void>>()
  readonly #stopped = new AbortController()

  constructor(options: SupervisorOptions) {
    this.#options = options
    process.once('exit', () => this.#killAll())
  }

  /** Resolves when the part answers its check. Throws a Refusal with its last lines otherwise. */
  async start(part: Part): Promise<void> {
    this.#stopped.signal.throwIfAborted()
    this.#options.signal.throwIfAborted()
    const log = new LogFile(join(this.#options.logsFolder, `${part.plan.name}.log`))
    const running = {
      part,
      child: this.#spawn(part, log),
      startedAt: performance.now(),
      failures: 0,
    }
    this.#running.push(running)
    await this.#recordChild(running.child)
    try {
      await this.#waitReady(running)
    } catch (error) {
      if (error instanceof Refusal || this.#options.signal.aborted) throw error
      throw new Refusal(`${describeFailure(running, error)}\nThe whole log: ${log.path}`, {
        cause: error,
      })
    }
    this.#watches.set(running, this.#keepAlive(running, log))
  }

  pids(): Record<string, number> {
    const entries = this.#running.map(({ child }) => [child.name, child.pid ?? 0] as const)
    return Object.fromEntries(entries)
  }

  /** Ends the named parts together; those that are not there are passed over. */
  async stop(names: readonly string[]): Promise<void> {
    this.#stopped.abort()
    const parts = this.#running.filter(({ child }) => names.includes(child.name))
    // A handful: one for each process of the system.
    await Promise.all(parts.map(({ child }) => child.stop()))
    // Their ends are on record before the record's folder may go.
    for (const running of parts) await this.#watches.get(running)
  }

  #killAll(): void {
    this.#stopped.abort()
    for (const { child } of this.#running) child.kill()
  }

  #spawn(part: Part, log: LogFile): Child {
    const { report } = this.#options
    return new Child(part.plan, line => {
      log.write(line)
      if (!part.isHeard || this.#stopped.signal.aborted) return
      const { level, text } = readLogLine(line)
      if (level >= warnLevel) report.warn(`${part.plan.name}: ${text}`)
    })
  }

  async #recordChild({ name, pid }: Child): Promise<void> {
    if (pid !== undefined) await this.#options.record.add(name, pid)
  }

  async #waitReady({ part, child }: Running): Promise<void> {
    const ended = new AbortController()
    void child.ended.then(ending => ended.abort(new EndedEarly(ending)))
    const signal = AbortSignal.any([ended.signal, this.#options.signal, this.#stopped.signal])
    await until(part.check, { deadlineMs: part.readyDeadlineMs, signal })
  }

  /** Bounded by the life of the system: it returns when the system is stopped. */
  async #keepAlive(running: Running, log: LogFile): Promise<void> {
    const { report, record } = this.#options
    while (!this.#stopped.signal.aborted) {
      const { child } = running
      const ending = await child.ended
      if (child.pid !== undefined) await record.remove(child.pid)
      if (this.#stopped.signal.aborted) return
      if (performance.now() - running.startedAt > recoveredAfterMs) running.failures = 0
      const delayMs = Math.min(backoffFirstMs * 2 ** running.failures, backoffMaxMs)
      running.failures++
      report.warn(describeCrash(running, ending, delayMs))
      // Aborted when the system is stopped meanwhile; the loop then ends.
      await sleep(delayMs, undefined, { signal: this.#stopped.signal }).catch(() => undefined)
      if (this.#stopped.signal.aborted) return
      running.child = this.#spawn(running.part, log)
      running.startedAt = performance.now()
      await this.#recordChild(running.child)
      await this.#tellRecovery(running)
    }
  }

  async #tellRecovery(running: Running): Promise<void> {
    const { name } = running.child
    try {
      await this.#waitReady(running)
      await this.#options.onRestart()
      this.#options.report.tell(`${name} works again`)
    } catch (error) {
      if (error instanceof EndedEarly || this.#stopped.signal.aborted) return
      this.#options.report.warn(describeFailure(running, error))
    }
  }
}

class EndedEarly extends Error {
  readonly ending: Ending

  constructor(ending: Ending) {
    super(describeEnding(ending))
    this.ending = ending
  }
}

function describeFailure({ child, part }: Running, error: unknown): string {
  const reason =
    error instanceof EndedEarly
      ? `ended with ${error.message}`
      : `did not answer within ${part.readyDeadlineMs / 1000} s`
  return `${child.name} ${reason}. ${describeLastLines(child)}`
}

function describeCrash({ child }: Running, ending: Ending, delayMs: number): string {
  const again = `it is started again in ${delayMs / 1000} s`
  return `${child.name} ended with ${describeEnding(ending)}; ${again}. ${describeLastLines(child)}`
}

function describeLastLines(child: Child): string {
  const lines = child.lastLines().slice(-shownLinesMax)
  if (lines.length === 0) return 'It wrote nothing.'
  return `Its last lines:\n${lines.map(line => `    ${readLogLine(line).text}`).join('\n')}`
}
