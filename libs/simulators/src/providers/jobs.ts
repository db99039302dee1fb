import { setTimeout as sleep } from 'node:timers/promises'
import type { Part } from './scripts.ts'

type JobState = 'queued' | 'running' | 'succeeded' | 'failed' | 'canceled'

interface JobLine {
  readonly at: Date
  readonly text: string
}

export interface Job<Result> {
  readonly id: string
  readonly model: string
  readonly input: unknown
  readonly createdAt: Date
  state: JobState
  startedAt: Date | undefined
  completedAt: Date | undefined
  result: Result | undefined
  failure: unknown
  readonly lines: JobLine[]
  /** Settles, without ever rejecting, when the job is over. */
  readonly over: Promise<void>
  /** Ends the job unless it is over already. */
  cancel(): void
}

interface JobOrder<Result> {
  readonly id: string
  readonly model: string
  readonly input: unknown
  readonly part: Part
  readonly latencyMs: number
  /** Makes the result; started when the job leaves the queue. */
  readonly work: () => Promise<Result>
  /** Called once, when the job is over in whatever way. */
  readonly onOver: () => void
}

/** A script said that the job is to fail. */
export class ScriptedFailure extends Error {}

/** A script said that what was asked for is against the provider's rules. */
export class ModerationBlock extends ScriptedFailure {}

const jobsMax = 1_000
const steps = 4

/** Queued work of one provider: it waits, runs with log lines on its way, and is remembered. */
export class Jobs<Result> {
  readonly #jobs = new Map<string, Job<Result>>()
  readonly #stops = new Map<Job<Result>, AbortController>()

  get newestFirst(): Job<Result>[] {
    return [...this.#jobs.values()].toReversed()
  }

  find(id: string): Job<Result> | undefined {
    return this.#jobs.get(id)
  }

  /** How many jobs are to start before this one. */
  positionOf(job: Job<Result>): number {
    const queued = [...this.#jobs.values()].filter(other => other.state === 'queued')
    return Math.max(queued.indexOf(job), 0)
  }

  start(order: JobOrder<Result>): Job<Result> {
    const stop = new AbortController()
    const { promise: over, resolve } = Promise.withResolvers<void>()
    const job: Job<Result> = {
      id: order.id,
      model: order.model,
      input: order.input,
      createdAt: new Date(),
      state: 'queued',
      startedAt: undefined,
      completedAt: undefined,
      result: undefined,
      failure: undefined,
      lines: [],
      over,
      cancel: () => stop.abort(),
    }
    this.#remember(job)
    this.#stops.set(job, stop)
    const finish = (state: JobState) => {
      job.state = state
      job.completedAt = new Date()
      this.#stops.delete(job)
      order.onOver()
      resolve()
    }
    this.#run(job, order, stop.signal).then(
      result => {
        job.result = result
        finish('succeeded')
      },
      (error: unknown) => {
        job.failure = error
        finish(stop.signal.aborted ? 'canceled' : 'failed')
      },
    )
    return job
  }

  /** Cancels whatever is still going on. */
  close(): void {
    for (const stop of this.#stops.values()) stop.abort()
  }

  async #run(job: Job<Result>, order: JobOrder<Result>, signal: AbortSignal): Promise<Result> {
    const stepMs = (order.part.latencyMs ?? order.latencyMs) / (steps + 1)
    await sleep(stepMs, undefined, { signal })
    job.state = 'running'
    job.startedAt = new Date()
    const work = order.work()
    // Cancelled or failed in between, nobody waits for the work any more.
    work.catch(() => undefined)
    for (let step = 1; step <= steps; step++) {
      await sleep(stepMs, undefined, { signal })
      job.lines.push({ at: new Date(), text: progressLine(step) })
    }
    if (order.part.mode === 'stuck') await forever(signal)
    if (order.part.mode === 'fail') throw new ScriptedFailure('The simulator was told to fail')
    if (order.part.mode === 'moderated') throw new ModerationBlock('The content is not allowed')
    const result = await work
    signal.throwIfAborted()
    return result
  }

  #remember(job: Job<Result>): void {
    this.#jobs.set(job.id, job)
    for (const [id, oldest] of this.#jobs) {
      if (this.#jobs.size <= jobsMax) return
      if (oldest.completedAt !== undefined) this.#jobs.delete(id)
    }
  }
}

/** In the form of tqdm, which models print and Replicate's client reads progress from. */
function progressLine(step: number): string {
  const percent = Math.round((step / steps) * 100)
  const bar = '█'.repeat(Math.round(percent / 10)).padEnd(10)
  return `${String(percent).padStart(3)}%|${bar}| ${step}/${steps} [00:0${step}<00:01,  1.00it/s]`
}

/** Ends when the signal does. */
async function forever(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>()
  signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  return promise
}
