import type { Redis } from './cache-link.ts'

/** Does the work under the id of the server's run; throws when the run may have ended meanwhile. */
export type UnderOneRun = <Answer>(work: (runId: string) => Promise<Answer>) => Promise<Answer>

/**
 * Tells apart what this start of the Redis server was told from what an earlier one was: a server
 * that restarts from a snapshot, or a replica that takes over, has another run_id.
 */
export function followServerRun(redis: Redis): UnderOneRun {
  let known: Promise<string> | undefined
  redis.on('close', () => {
    known = undefined
  })
  return async work => {
    known ??= readRunId(redis)
    const asked = known
    try {
      const answer = await work(await asked)
      if (known !== asked) throw new Error('the connection to Redis was lost')
      return answer
    } catch (error) {
      // The next caller asks again: what failed may have been the question for the run itself.
      if (known === asked) known = undefined
      throw new Error('Redis failed', { cause: error })
    }
  }
}

async function readRunId(redis: Redis): Promise<string> {
  const runId = /^run_id:(\w+)/m.exec(await redis.info('server'))?.[1]
  if (runId === undefined) throw new Error('Redis does not tell its run_id')
  return runId
}
