import { Child, type ChildPlan } from '../local/child.ts'
import { startGuardian } from '../local/guardian.ts'
import { until } from '../local/waiting.ts'

export interface StoreServerOptions {
  readonly plan: ChildPlan
  readonly check: () => Promise<unknown>
  /** A folder that is empty but for this server: the guardian removes it with the process. */
  readonly guardFolder: string
}

const readyDeadlineMs = 30_000
const endDeadlineMs = 15_000

/** A store of the lab that can be killed and brought back with its data. */
export class StoreServer implements AsyncDisposable {
  readonly #options: StoreServerOptions
  #child: Child
  #guardian: Disposable

  private constructor(options: StoreServerOptions) {
    this.#options = options
    this.#child = new Child(options.plan, () => undefined)
    this.#guardian = this.#guard()
  }

  static async start(options: StoreServerOptions): Promise<StoreServer> {
    const server = new StoreServer(options)
    await server.#waitReady()
    return server
  }

  /** Ends the process without a chance to write anything down, and resolves when it is gone. */
  async crash(signal: 'SIGKILL' | 'SIGQUIT'): Promise<void> {
    const { pid } = this.#child
    if (pid !== undefined && !this.#child.isEnded) process.kill(pid, signal)
    const deadline = setTimeout(() => this.#child.kill(), endDeadlineMs)
    await this.#child.ended
    clearTimeout(deadline)
  }

  /** Starts the process again unless it runs; resolves when it answers. */
  async revive(): Promise<void> {
    if (this.#child.isEnded) {
      this.#child = new Child(this.#options.plan, () => undefined)
      this.#guardian[Symbol.dispose]()
      this.#guardian = this.#guard()
    }
    await this.#waitReady()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stop()
    this.#guardian[Symbol.dispose]()
  }

  async #waitReady(): Promise<void> {
    try {
      await until(this.#options.check, { deadlineMs: readyDeadlineMs })
    } catch (error) {
      const lines = this.#child.lastLines().join('\n')
      throw new Error(`${this.#options.plan.name} does not answer:\n${lines}`, { cause: error })
    }
  }

  #guard(): Disposable {
    const { pid } = this.#child
    const isPostgres = this.#options.plan.name === 'postgres'
    const watched = pid === undefined ? [] : [{ pid, signal: isPostgres ? 'INT' : 'KILL' } as const]
    return startGuardian(this.#options.guardFolder, watched)
  }
}
