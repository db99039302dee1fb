import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { rateOf } from './load.ts'
import type { Setting } from './setting.ts'

type Work = () => Promise<unknown>

/** Adds so many jobs and processes them; how many a second. */
export type RunJobs = (count: number, prepare: (lane: number) => Promise<Work>) => Promise<number>

/** BullMQ and nothing else: a queue with its own worker, in this process. */
export function openJobs(
  setting: Setting,
  url: string,
  { name, lanes, concurrency }: { name: string; lanes: number; concurrency: number },
): RunJobs {
  const open = () => {
    const redis = new Redis(url, { maxRetriesPerRequest: null })
    setting.onClose(() => redis.disconnect())
    return redis
  }
  const works: Work[] = []
  const queue = new Queue<{ place: number }>(name, { connection: open() })
  const worker = new Worker<{ place: number }>(
    name,
    async ({ data }) => {
      await works[data.place]?.()
    },
    { connection: open(), concurrency },
  )
  setting.onClose(async () => {
    await worker.close()
    await queue.close()
  })
  const options = { removeOnComplete: true, removeOnFail: true }
  return async (count, prepare) => {
    works.length = 0
    const { promise, resolve, reject } = Promise.withResolvers<undefined>()
    let done = 0
    const countDone = () => {
      done += 1
      if (done === count) resolve(undefined)
    }
    worker.on('completed', countDone)
    worker.once('failed', (_job, error) => reject(error))
    const startedAt = performance.now()
    await rateOf({ lanes, count }, async lane => {
      const place = works.push(await prepare(lane)) - 1
      await queue.add('task', { place }, options)
    })
    await promise
    worker.off('completed', countDone)
    worker.removeAllListeners('failed')
    return (count * 1000) / (performance.now() - startedAt)
  }
}
