import { createHash } from 'node:crypto'
import type { TaskId, UserId } from '@funmagic/contract/ids'
import {
  isTerminal,
  type BalanceEvent,
  type NumberedEvent,
  type NumberedUserEvent,
  type ProgressEvent,
} from '@funmagic/contract/progress'
import type { Redis } from 'ioredis'

/**
 * A task's events stand in the Redis Stream `stream:task:{taskId}` and are told to the channel
 * `task:{taskId}` (R1); the same for all that concerns a user, under `user:{userId}`. An id is
 * `{epochMs}-{n}`: the epoch is Redis' time when the stream was made, n counts from 1 without
 * holes. So whoever has the id of an event can tell whether the next one they see is the next.
 * Streams are a convenience: they are trimmed, expire, and may vanish; Postgres has the truth.
 */
const streamLengthMax = 1_000
const streamLifeMs = 5 * 60_000
const eventSizeMaxBytes = 16 * 1024
// XADD trims in whole nodes, so a stream is somewhat longer than its limit.
const readMax = 2 * streamLengthMax

export interface Published {
  readonly id: string
  /** False when the task had its terminal event already: nothing was added. */
  readonly isNew: boolean
}

/**
 * Adds the event to the task's stream and its user's stream and tells the subscribers, all in
 * one script. Ids are dense (P1); nothing follows a terminal event (P2). Throws RangeError for an
 * event above 16 KB.
 */
export async function publishEvent(
  redis: Redis,
  to: { taskId: TaskId; userId: UserId },
  event: ProgressEvent,
): Promise<Published> {
  return append(redis, {
    ...userPlace(to.userId),
    userEvent: JSON.stringify({ taskId: to.taskId, ...event }),
    task: { ...taskPlace(to.taskId), event: JSON.stringify(event), isTerminal: isTerminal(event) },
  })
}

/** Tells the user's stream alone that the balance has changed. */
export async function publishBalance(
  redis: Redis,
  userId: UserId,
  balance: Omit<BalanceEvent, 'type'>,
): Promise<Published> {
  const event: BalanceEvent = {
    type: 'balance',
    balance: balance.balance,
    reservedBalance: balance.reservedBalance,
    ...(balance.lowThreshold !== undefined && { lowThreshold: balance.lowThreshold }),
  }
  return append(redis, { ...userPlace(userId), userEvent: JSON.stringify(event) })
}

interface Place {
  readonly stream: string
  readonly channel: string
}

function taskPlace(taskId: TaskId): Place {
  return { stream: `stream:task:${taskId}`, channel: taskChannel(taskId) }
}

function userPlace(userId: UserId): Place {
  return { stream: `stream:user:${userId}`, channel: userChannel(userId) }
}

/** The channel of a task's events, for subscribers. */
export function taskChannel(taskId: TaskId): string {
  return `task:${taskId}`
}

/** The channel of all that concerns a user, for subscribers. */
export function userChannel(userId: UserId): string {
  return `user:${userId}`
}

interface Addition extends Place {
  readonly userEvent: string
  readonly task?: Place & { readonly event: string; readonly isTerminal: boolean }
}

async function append(redis: Redis, addition: Addition): Promise<Published> {
  const { task } = addition
  if (Buffer.byteLength(addition.userEvent) > eventSizeMaxBytes) {
    throw new RangeError(`an event may have ${eventSizeMaxBytes} bytes`)
  }
  const keys = task ? [addition.stream, task.stream] : [addition.stream]
  const reply = await evaluate(redis, keys, [
    streamLengthMax,
    streamLifeMs,
    addition.channel,
    addition.userEvent,
    task?.channel ?? '',
    task?.event ?? '',
    task?.isTerminal ? '1' : '',
  ])
  if (!Array.isArray(reply)) throw new Error('the script that adds an event answered nonsense')
  return { id: String(reply[0]), isNew: reply[1] === 1 }
}

/** KEYS user stream, task stream? ARGV length, life, user channel and event, task channel … */
const script = `
local function add(stream, channel, event, final)
  local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  local epoch, n
  if last then
    if last[2][3] == 'final' then return {last[1], 0} end
    epoch, n = string.match(last[1], '^(%d+)-(%d+)$')
    n = n + 1
  else
    local time = redis.call('TIME')
    epoch, n = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), 1
  end
  local id = epoch .. '-' .. string.format('%d', n)
  if final == '1' then
    redis.call('XADD', stream, 'MAXLEN', '~', ARGV[1], id, 'event', event, 'final', '1')
  else
    redis.call('XADD', stream, 'MAXLEN', '~', ARGV[1], id, 'event', event)
  end
  redis.call('PEXPIRE', stream, ARGV[2])
  redis.call('PUBLISH', channel, '{"id":"' .. id .. '","event":' .. event .. '}')
  return {id, 1}
end

if not KEYS[2] then return add(KEYS[1], ARGV[3], ARGV[4], '') end
local added = add(KEYS[2], ARGV[5], ARGV[6], ARGV[7])
if added[2] == 1 then add(KEYS[1], ARGV[3], ARGV[4], '') end
return added
`
const scriptSha = createHash('sha1').update(script).digest('hex')

async function evaluate(
  redis: Redis,
  keys: readonly string[],
  values: readonly (string | number)[],
): Promise<unknown> {
  try {
    return await redis.evalsha(scriptSha, keys.length, ...keys, ...values)
  } catch (error) {
    const isUnknown = error instanceof Error && error.message.startsWith('NOSCRIPT')
    if (!isUnknown) throw new Error('the event could not be published', { cause: error })
    return redis.eval(script, keys.length, ...keys, ...values)
  }
}

export interface Replay<Event> {
  readonly events: readonly Event[]
  /** True when events after the given id are lost: send a snapshot, go on after `lastId`. */
  readonly gap: boolean
  /** The id of the newest event there is, or undefined for an empty stream. */
  readonly lastId: string | undefined
}

/**
 * The task's events after the id, or all that there are. A gap (the id is of an older stream,
 * was trimmed, or was never given out) comes with no events: what is missing is in Postgres.
 */
export async function readEvents(
  redis: Redis,
  taskId: TaskId,
  afterId?: string,
): Promise<Replay<NumberedEvent>> {
  return read<NumberedEvent>(redis, taskPlace(taskId).stream, afterId)
}

/** The same for the stream of all that concerns a user. */
export async function readUserEvents(
  redis: Redis,
  userId: UserId,
  afterId?: string,
): Promise<Replay<NumberedUserEvent>> {
  return read<NumberedUserEvent>(redis, userPlace(userId).stream, afterId)
}

interface Numbered {
  readonly id: string
  readonly event: unknown
}

async function read<Event extends Numbered>(
  redis: Redis,
  stream: string,
  afterId: string | undefined,
): Promise<Replay<Event>> {
  const after = afterId === undefined ? undefined : parseId(afterId)
  if (afterId !== undefined && !after) return gap(redis, stream)
  const entries = await redis.xrange(stream, afterId ?? '-', '+', 'COUNT', readMax)
  const [first] = entries
  if (!first) {
    return after ? gap(redis, stream) : { events: [], gap: false, lastId: undefined }
  }
  if (!continues(parseId(first[0]), after)) return gap(redis, stream)
  const events = entries
    .filter(([id]) => id !== afterId)
    // Written by publishEvent or publishBalance, from an event of this type.
    .map(([id, fields]) => ({ id, event: JSON.parse(fields[1] ?? 'null') }) as Event)
  return { events, gap: false, lastId: entries.at(-1)?.[0] }
}

async function gap(redis: Redis, stream: string): Promise<Replay<never>> {
  const [newest] = await redis.xrevrange(stream, '+', '-', 'COUNT', 1)
  return { events: [], gap: true, lastId: newest?.[0] }
}

interface EventId {
  readonly epoch: string
  readonly n: number
}

function parseId(id: string): EventId | undefined {
  const [, epoch, n] = /^(\d{13})-(\d{1,15})$/.exec(id) ?? []
  return epoch === undefined || n === undefined ? undefined : { epoch, n: Number(n) }
}

/** True when nothing is missing between what the reader has and the first entry found. */
function continues(first: EventId | undefined, after: EventId | undefined): boolean {
  if (!first) return false
  if (!after) return first.n === 1
  return first.epoch === after.epoch && (first.n === after.n || first.n === after.n + 1)
}
