import type { TaskId, UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import type { NumberedEvent, NumberedUserEvent } from '@funmagic/contract/progress'
import type { Redis } from 'ioredis'
import { taskChannel, userChannel } from './progress-channel.ts'

export interface SubscriberOptions {
  /** A connection for this purpose alone, of the role `subscriber`; whoever opened it closes it. */
  readonly redis: Redis
  /** Watches at once in this process, at most. */
  readonly watchesMax: number
  /** Told after the subscriptions are back: whoever watches must read its stream again. */
  readonly onReconnect?: () => void
  readonly onError: (error: Error) => void
}

type Listener = (message: string) => void

interface Channel {
  readonly listeners: Set<Listener>
  readonly confirmed: Promise<unknown>
}

const confirmTimeoutMs = 2_000

/**
 * One Redis connection for all the watchers of a process, and one subscription per task or user
 * however many watch it: it ends with the last of them (P6).
 */
export class ProgressSubscriber {
  readonly #options: SubscriberOptions
  readonly #channels = new Map<string, Channel>()
  #watchCount = 0

  constructor(options: SubscriberOptions) {
    this.#options = options
    options.redis.on('message', (channel: string, message: string) => {
      for (const listener of this.#channels.get(channel)?.listeners ?? []) listener(message)
    })
    options.redis.on('ready', () => void this.#resubscribe())
  }

  /**
   * Resolves once Redis has confirmed, so that reading the stream afterwards leaves no hole; the
   * result ends the watch. Throws OVERLOADED beyond watchesMax, UNAVAILABLE without Redis.
   */
  async watchTask(taskId: TaskId, listener: (event: NumberedEvent) => void) {
    return this.#watch(taskChannel(taskId), message => {
      // Published by publishEvent, from an event of this type.
      listener(JSON.parse(message) as NumberedEvent)
    })
  }

  async watchUser(userId: UserId, listener: (event: NumberedUserEvent) => void) {
    return this.#watch(userChannel(userId), message => {
      // Published by publishEvent and publishBalance.
      listener(JSON.parse(message) as NumberedUserEvent)
    })
  }

  /** Channels that are subscribed to, for the leak gauge. */
  channelCount(): number {
    return this.#channels.size
  }

  async #watch(name: string, listener: Listener): Promise<() => void> {
    if (this.#watchCount >= this.#options.watchesMax) throw new AppError('OVERLOADED')
    this.#watchCount++
    const channel = this.#channels.get(name) ?? this.#open(name)
    channel.listeners.add(listener)
    const unwatch = () => {
      if (!channel.listeners.delete(listener)) return
      this.#watchCount--
      if (channel.listeners.size === 0) this.#close(name)
    }
    try {
      await confirmation(channel)
    } catch (cause) {
      unwatch()
      throw new AppError('UNAVAILABLE', { cause })
    }
    return unwatch
  }

  #open(name: string): Channel {
    const channel: Channel = {
      listeners: new Set(),
      confirmed: this.#options.redis.subscribe(name),
    }
    this.#channels.set(name, channel)
    return channel
  }

  /** Commands keep their order on one connection, so a later SUBSCRIBE is not undone by this. */
  #close(name: string): void {
    this.#channels.delete(name)
    this.#options.redis.unsubscribe(name).catch(this.#options.onError)
  }

  async #resubscribe(): Promise<void> {
    if (this.#channels.size === 0) return
    try {
      await this.#options.redis.subscribe(...this.#channels.keys())
      this.#options.onReconnect?.()
    } catch (error) {
      this.#options.onError(new Error('the subscriptions could not be renewed', { cause: error }))
    }
  }
}

async function confirmation(channel: Channel): Promise<void> {
  const { promise: expiry, reject } = Promise.withResolvers<never>()
  const late = new Error(`SUBSCRIBE took over ${confirmTimeoutMs} ms`)
  const timer = setTimeout(() => reject(late), confirmTimeoutMs)
  try {
    await Promise.race([channel.confirmed, expiry])
  } finally {
    clearTimeout(timer)
  }
}
