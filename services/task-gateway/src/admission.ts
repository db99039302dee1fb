import type { UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import type { Database, Queryable } from '@funmagic/database/client'
import { countOpenOf, readQueueLoad, type QueueLoad } from '@funmagic/task/queue-load'

export interface AdmissionLimits {
  /** So many tasks may wait to be started, over all users. */
  readonly waitingMax: number
  /** And the one that has waited longest for so long. */
  readonly waitMaxMs: number
  readonly openPerUserMax: number
}

/** Says whether another task can be taken, before anything is paid for (T12, V-3). */
export interface Admission {
  /** Throws QUEUE_FULL, with the time after which to come again. */
  requireRoom(): Promise<void>
  /**
   * Throws TOO_MANY_TASKS. Exact within the transaction that has reserved the credits: whoever
   * submits for the same user waits for their row, and then counts this task as well.
   */
  requireTurn(tx: Queryable, userId: UserId): Promise<void>
}

export interface AdmissionDeps {
  readonly database: Database
  readonly limits: AdmissionLimits
  readonly now?: () => number
}

interface Sample {
  readonly atMs: number
  readonly load: QueueLoad
  readonly isFull: boolean
  readonly reopensInMs: number
}

const sampleLifeMs = 2_000
const userRetrySeconds = 30
const reopenMinMs = 5_000
const reopenMaxMs = 300_000
const reopenUnknownMs = 60_000
/** Once closed it opens below this part of a limit, so that it does not flutter. */
const reopenPart = 0.9

/**
 * One look at Postgres in two seconds, however many submissions there are. The count goes by what
 * workers have not taken up yet, so a queue that drains lets tasks in again by itself.
 */
export function createAdmission({ database, limits, now }: AdmissionDeps): Admission {
  const clock = now ?? (() => performance.now())
  let latest: Sample | undefined
  let looking: Promise<Sample> | undefined

  async function look(): Promise<Sample> {
    const load = await readQueueLoad(database, { countMax: limits.waitingMax + 1 })
    latest = judgeLoad(load, limits, { earlier: latest, atMs: clock() })
    return latest
  }

  async function readSample(): Promise<Sample> {
    if (latest !== undefined && clock() - latest.atMs < sampleLifeMs) return latest
    looking ??= look().finally(() => (looking = undefined))
    return looking
  }

  return {
    async requireRoom() {
      const { isFull, reopensInMs } = await readSample()
      if (isFull) throw queueFull(reopensInMs)
    },
    async requireTurn(tx, userId) {
      const openMax = limits.openPerUserMax
      if ((await countOpenOf(tx, { userId, countMax: openMax })) < openMax) return
      const suggestion = 'Wait until some of your tasks have ended, or cancel some.'
      throw new AppError('TOO_MANY_TASKS', {
        details: { openMax, suggestion },
        retryAfterSeconds: userRetrySeconds,
      })
    },
  }
}

export function judgeLoad(
  load: QueueLoad,
  limits: AdmissionLimits,
  { earlier, atMs }: { readonly earlier: Sample | undefined; readonly atMs: number },
): Sample {
  const part = earlier?.isFull ? reopenPart : 1
  const [waitingMax, waitMaxMs] = [limits.waitingMax * part, limits.waitMaxMs * part]
  const isFull = load.waiting >= waitingMax || load.oldestWaitMs >= waitMaxMs
  const excess = load.waiting - limits.waitingMax * reopenPart
  const drained = earlier === undefined ? 0 : earlier.load.waiting - load.waiting
  const perMs = earlier === undefined ? 0 : drained / Math.max(1, atMs - earlier.atMs)
  const neededMs = perMs > 0 ? Math.max(0, excess) / perMs : reopenUnknownMs
  const reopensInMs = Math.min(reopenMaxMs, Math.max(reopenMinMs, neededMs))
  return { atMs, load, isFull, reopensInMs }
}

function queueFull(reopensInMs: number): AppError {
  const retryAfterSeconds = Math.ceil(reopensInMs / 1000)
  const reopensAt = new Date(Date.now() + reopensInMs).toISOString()
  const suggestion = 'Nothing was charged. Try again then.'
  return new AppError('QUEUE_FULL', { details: { reopensAt, suggestion }, retryAfterSeconds })
}
