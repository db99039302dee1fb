import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

export interface ChildPlan {
  readonly name: string
  readonly command: string
  readonly parameters: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly folder: string
  /** Another user to run as; only root can. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined
  readonly stopSignal: NodeJS.Signals
  readonly stopDeadlineMs: number
}

export interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

const lastLinesMax = 40
const killWaitMs = 5_000
const pipesWaitMs = 500

/**
 * A process of the local system. It leads a process group of its own, so that a Ctrl-C in the
 * terminal reaches only the supervisor, which then ends everything in order.
 */
export class Child {
  readonly name: string
  readonly ended: Promise<Ending>
  readonly #plan: ChildPlan
  readonly #process: ChildProcess
  readonly #lastLines: string[] = []
  #isEnded = false

  constructor(plan: ChildPlan, onLine: (line: string) => void) {
    this.name = plan.name
    this.#plan = plan
    this.#process = spawn(plan.command, plan.parameters, {
      cwd: plan.folder,
      env: plan.environment,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...plan.user,
    })
    this.ended = new Promise(resolve => {
      this.#process.once('error', error => {
        this.#keep(`${plan.command} could not be started: ${error.message}`, onLine)
        this.#isEnded = true
        resolve({ code: 1, signal: null })
      })
      // A grandchild may hold the pipes open; its lines are worth a moment's wait and no more.
      this.#process.once('exit', (code, signal) => {
        this.#isEnded = true
        const resolveOnce = (): void => resolve({ code, signal })
        this.#process.once('close', resolveOnce)
        setTimeout(resolveOnce, pipesWaitMs).unref()
      })
    })
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      if (stream !== null) this.#readLines(stream, onLine)
    }
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  lastLines(): readonly string[] {
    return this.#lastLines
  }

  /** Asks the process to end and waits; after its deadline it is killed. */
  async stop(): Promise<void> {
    if (this.#isEnded) return
    this.#process.kill(this.#plan.stopSignal)
    if (await this.#endsWithin(this.#plan.stopDeadlineMs)) return
    this.kill()
    await this.#endsWithin(killWaitMs)
  }

  /** Ends the process and whatever it started, at once. */
  kill(): void {
    const { pid } = this.#process
    if (this.#isEnded || pid === undefined) return
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // The group is gone already, or is not ours to signal: then the process alone.
      this.#process.kill('SIGKILL')
    }
  }

  async #endsWithin(deadlineMs: number): Promise<boolean> {
    const timer = new AbortController()
    // Aborted below, when the process was quicker.
    const waited = sleep(deadlineMs, false, { signal: timer.signal }).catch(() => false)
    const isEnded = await Promise.race([this.ended.then(() => true), waited])
    timer.abort()
    return isEnded
  }

  #readLines(stream: Readable, onLine: (line: string) => void): void {
    createInterface({ input: stream }).on('line', line => this.#keep(line, onLine))
  }

  #keep(line: string, onLine: (line: string) => void): void {
    this.#lastLines.push(line)
    if (this.#lastLines.length > lastLinesMax) this.#lastLines.shift()
    onLine(line)
  }
}

/** `exit code 1` or `signal SIGKILL`, for messages. */
export function describeEnding({ code, signal }: Ending): string {
  return signal === null ? `exit code ${code}` : `signal ${signal}`
}
