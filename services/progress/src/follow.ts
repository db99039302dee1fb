import { follows, parsePosition, readLastId } from './event-position.ts'
import type { FrameData } from './frames.ts'
import type { OpenStream } from './open-streams.ts'

interface Numbered<Data> {
  readonly id: string
  readonly event: Data
}

export interface Watcher<Data> {
  readonly listener: (event: Numbered<Data>) => void
  /** Messages were missed while the connection was away: the stream must be read again. */
  readonly onReconnect: () => void
}

/** What is followed: a channel that tells what happens, and a stream that remembers it. */
export interface Source<Data extends FrameData> {
  /** Resolves once listening; the result ends it. */
  watch(watcher: Watcher<Data>): Promise<() => void>
  /** The remembered events after the id. */
  read(afterId: string | undefined): Promise<{
    readonly events: readonly Numbered<Data>[]
    readonly gap: boolean
    readonly lastId: string | undefined
  }>
  /** The state to send where events are lost. */
  snapshot(): Promise<FrameData>
  /** True for the event after which nothing comes. */
  isLast(event: Data): boolean
}

export interface Following {
  /** False when Redis is away: the stream is closed after this, and its client comes back. */
  readonly isLive: boolean
}

interface Reports {
  failed(what: string, error: unknown): void
}

const heldMax = 512

/**
 * Sends what happens, each event once and in order (R2, TR9, P1): listens first, then replays
 * what the stream remembers after the last id, then lets live events through that follow it
 * without a hole. A hole is filled by reading again; one that cannot be filled is told by a
 * `reset` with a snapshot.
 */
export async function follow<Data extends FrameData>(
  stream: OpenStream,
  source: Source<Data>,
  reports: Reports,
): Promise<Following> {
  const held: Numbered<Data>[] = []
  let last = parsePosition(readLastId(stream.lastId))
  let isReading = true
  let reading = Promise.resolve()

  const deliver = ({ id, event }: Numbered<Data>): void => {
    stream.send(event, id)
    last = parsePosition(id)
    if (source.isLast(event)) stream.close('finished')
  }

  const readOn = async (): Promise<void> => {
    const replay = await source.read(last === undefined ? undefined : `${last.epoch}-${last.n}`)
    if (replay.gap) {
      stream.send(await source.snapshot(), replay.lastId)
      last = parsePosition(replay.lastId)
    }
    for (const event of replay.events) deliver(event)
  }

  const catchUpOnce = async (): Promise<void> => {
    isReading = true
    try {
      await readOn()
      // Bounded by heldMax: each event is taken out, and what is not next is read or skipped.
      for (let event = held.shift(); event !== undefined; event = held.shift()) {
        const position = parsePosition(event.id)
        if (position === undefined) continue
        const place = follows(last, position)
        if (place === 'next') deliver(event)
        else if (place === 'gap') await readOn()
      }
    } catch (error) {
      // Redis is away: the safety poll and the next reconnection repair what is missed here.
      reports.failed('catch up', error)
      held.length = 0
    } finally {
      isReading = false
    }
  }

  // One after the other: two readers at once would send an event twice.
  const catchUp = (): Promise<void> => (reading = reading.then(catchUpOnce))

  const listener = (event: Numbered<Data>): void => {
    const position = parsePosition(event.id)
    if (position === undefined || stream.isClosed) return
    if (isReading) {
      if (held.length < heldMax) held.push(event)
      return
    }
    const place = follows(last, position)
    if (place === 'next') deliver(event)
    else if (place === 'gap') void catchUp()
  }

  try {
    stream.onClose(await source.watch({ listener, onReconnect: () => void catchUp() }))
  } catch (error) {
    reports.failed('watch', error)
    return { isLive: false }
  }
  await catchUp()
  return { isLive: true }
}
