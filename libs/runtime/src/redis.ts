import { Redis } from 'ioredis'

export type { Redis } from 'ioredis'

export interface RedisOptions {
  readonly url: string
  /**
   * `cache` fails fast, because everything in it can be read elsewhere; `subscriber` waits and
   * reconnects for ever, because it only listens.
   */
  readonly role: 'cache' | 'subscriber'
  /** Shown in CLIENT LIST. */
  readonly name: string
  readonly onError: (error: Error) => void
}

const commandTimeoutMs = 1_000
const connectTimeoutMs = 2_000
// One that is owed an answer for so long was cut off in silence, and is made anew.
const silenceMaxMs = 5_000
const retryDelayMaxMs = 2_000

/** A client that connects by itself and reconnects for ever, with a deadline on each command. */
export function openRedis(options: RedisOptions): Redis {
  const redis = new Redis(options.url, {
    connectionName: options.name,
    connectTimeout: connectTimeoutMs,
    socketTimeout: silenceMaxMs,
    retryStrategy: times => Math.min(times * 100, retryDelayMaxMs),
    ...(options.role === 'cache'
      ? { commandTimeout: commandTimeoutMs, maxRetriesPerRequest: 1, enableOfflineQueue: true }
      : { maxRetriesPerRequest: null }),
  })
  redis.on('error', options.onError)
  return redis
}
