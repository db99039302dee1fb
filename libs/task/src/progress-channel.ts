import type { TaskId, UserId } from '@funmagic/contract/ids'
import type {
  BalanceEvent,
  NumberedEvent,
  NumberedUserEvent,
  ProgressEvent,
} from '@funmagic/contract/progress'
import type { Redis } from 'ioredis'

export interface Published {
  readonly id: string
  /** False when the task had its terminal event already: nothing was added. */
  readonly isNew: boolean
}

/**
 * Adds the event to the task's stream and its user's stream and tells the subscribers, all in
 * one script. Ids are `{epochMs}-{n}`, n dense from 1 (P1); nothing follows a terminal event
 * (P2). Throws RangeError for an event above 16 KB.
 */
export declare function publishEvent(
  redis: Redis,
  to: { taskId: TaskId; userId: UserId },
  event: ProgressEvent,
): Promise<Published>

/** Tells the user's stream alone that the balance has changed. */
export declare function publishBalance(
  redis: Redis,
  userId: UserId,
  balance: Omit<BalanceEvent, 'type'>,
): Promise<Published>

export interface Replay<Event> {
  readonly events: readonly Event[]
  /** True when events after the given id are lost: send a snapshot, go on after `lastId`. */
  readonly gap: boolean
  /** The id of the newest event there is, or undefined for an empty stream. */
  readonly lastId: string | undefined
}

/**
 * The task's events after the id, or all that there are. A gap (the id is of an older stream,
 * was trimmed, or was never given out) comes with no events.
 */
export declare function readEvents(
  redis: Redis,
  taskId: TaskId,
  afterId?: string,
): Promise<Replay<NumberedEvent>>

/** The same for the stream of all that concerns a user. */
export declare function readUserEvents(
  redis: Redis,
  userId: UserId,
  afterId?: string,
): Promise<Replay<NumberedUserEvent>>

export interface SubscriberOptions {
  /** A connection for this purpose alone: it enters subscriber mode. */
  readonly redis: Redis
  readonly watchesMax: number
  /** Told after the subscriptions are back: whoever watches must read its stream again. */
  readonly onReconnect?: () => void
  readonly onError: (error: Error) => void
}

/**
 * One Redis connection for all the watchers of a process, one subscription per task or user
 * however many watch it (P6). Closing it does not close the connection.
 */
export declare class ProgressSubscriber {
  constructor(options: SubscriberOptions)
  /**
   * Resolves once Redis has confirmed, so that reading the stream afterwards leaves no hole;
   * the result ends the watch. Throws OVERLOADED beyond watchesMax, UNAVAILABLE without Redis.
   */
  watchTask(taskId: TaskId, listener: (event: NumberedEvent) => void): Promise<() => void>
  watchUser(userId: UserId, listener: (event: NumberedUserEvent) => void): Promise<() => void>
  /** Channels that are subscribed to, for the leak gauge. */
  channelCount(): number
}
