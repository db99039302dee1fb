import type { Redis } from 'ioredis'

export type { Redis } from 'ioredis'

/** A cache that may be away: its answers are an optimisation, so none is worth a long wait. */
export interface CacheLink {
  /** Runs the command; undefined when Redis fails, is late, or failed a moment ago. */
  attempt<Answer>(command: (redis: Redis) => Promise<Answer>): Promise<Answer | undefined>
  /** Runs the command, also just after a failure; throws when Redis fails or is late. */
  insist<Answer>(command: (redis: Redis) => Promise<Answer>): Promise<Answer>
}

const deadlineMs = 300
const pauseMs = 1_000

/**
 * Bounds every command to 300 ms and leaves a failing Redis alone for a second, so that an outage
 * costs one slow request a second and not all of them.
 */
export function linkCache(redis: Redis, onError: (error: unknown) => void): CacheLink {
  let pausedUntilMs = 0

  async function insist<Answer>(command: (redis: Redis) => Promise<Answer>): Promise<Answer> {
    try {
      return await withinDeadline(command(redis))
    } catch (error) {
      pausedUntilMs = performance.now() + pauseMs
      throw new Error('Redis does not answer', { cause: error })
    }
  }

  async function attempt<Answer>(
    command: (redis: Redis) => Promise<Answer>,
  ): Promise<Answer | undefined> {
    if (performance.now() < pausedUntilMs) return undefined
    try {
      return await insist(command)
    } catch (error) {
      // The caller goes on without the cache; the owner of the connection is told why.
      onError(error)
      return undefined
    }
  }

  return { attempt, insist }
}

function withinDeadline<Answer>(work: Promise<Answer>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`no answer within ${deadlineMs} ms`)),
      deadlineMs,
    )
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
