import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'

const channel = 'provider-call-news'

/** Tells all workers that there is news of a call at its provider. Nothing depends on it. */
export async function publishNews(redis: Redis, providerRequestId: string): Promise<void> {
  await redis.publish(channel, providerRequestId)
}

/** Waits that end early when there is news of what they wait for: one connection for a process. */
export class CallNews {
  readonly #waits = new Map<string, AbortController>()

  /** The connection is for this purpose alone, of the role `subscriber`; its opener closes it. */
  constructor(redis: Redis, onError: (error: Error) => void) {
    redis.on('message', (_channel: string, id: string) => this.#waits.get(id)?.abort())
    redis.subscribe(channel).catch(onError)
  }

  /** Rejects with the reason of the signal. Two waits for one call do not happen: it is claimed. */
  async wait(providerRequestId: string, ms: number, signal: AbortSignal): Promise<void> {
    const news = new AbortController()
    this.#waits.set(providerRequestId, news)
    try {
      await sleep(ms, undefined, { signal: AbortSignal.any([signal, news.signal]) })
    } catch (error) {
      signal.throwIfAborted()
      if (!news.signal.aborted) throw error
    } finally {
      this.#waits.delete(providerRequestId)
    }
  }
}
