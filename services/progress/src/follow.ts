import { follows, parsePosition, readLastId, type EventPosition } from './event-position.ts'
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
  const follower = new Follower(stream, source, reports)
  try {
    stream.onClose(await source.watch(follower))
  } catch (error) {
    // Redis is away: the caller closes the stream, and its client comes back.
    reports.failed('watch', error)
    return { isLive: false }
  }
  await follower.catchUp()
  return { isLive: true }
}

const heldMax = 512

/** One stream on its source: it remembers the last event sent, and holds back what is early. */
class Follower<Data extends FrameData> implements Watcher<Data> {
  readonly #stream: OpenStream
  readonly #source: Source<Data>
  readonly #reports: Reports
  readonly #held: Numbered<Data>[] = []
  #last: EventPosition | undefined
  #isReading = true
  #reading = Promise.resolve()

  constructor(stream: OpenStream, source: Source<Data>, reports: Reports) {
    this.#stream = stream
    this.#source = source
    this.#reports = reports
    this.#last = parsePosition(readLastId(stream.lastId))
  }

  readonly listener = (event: Numbered<Data>): void => {
    const position = parsePosition(event.id)
    if (position === undefined || this.#stream.isClosed) return
    if (this.#isReading) {
      if (this.#held.length < heldMax) this.#held.push(event)
      return
    }
    const place = follows(this.#last, position)
    if (place === 'next') this.#deliver(event)
    else if (place === 'gap') void this.catchUp()
  }

  readonly onReconnect = (): void => void this.catchUp()

  /** One after the other: two readers at once would send an event twice. */
  catchUp(): Promise<void> {
    this.#reading = this.#reading.then(() => this.#catchUpOnce())
    return this.#reading
  }

  async #catchUpOnce(): Promise<void> {
    this.#isReading = true
    try {
      await this.#readOn()
      // Bounded by heldMax: each event is taken out, and what is not next is read or skipped.
      for (let event = this.#held.shift(); event !== undefined; event = this.#held.shift()) {
        const position = parsePosition(event.id)
        if (position === undefined) continue
        const place = follows(this.#last, position)
        if (place === 'next') this.#deliver(event)
        else if (place === 'gap') await this.#readOn()
      }
    } catch (error) {
      // Redis is away: the safety poll and the next reconnection repair what is missed here.
      this.#reports.failed('catch up', error)
      this.#held.length = 0
    } finally {
      this.#isReading = false
    }
  }

  async #readOn(): Promise<void> {
    const last = this.#last
    const replay = await this.#source.read(last && `${last.epoch}-${last.n}`)
    if (replay.gap) {
      this.#stream.send(await this.#source.snapshot(), replay.lastId)
      this.#last = parsePosition(replay.lastId)
    }
    for (const event of replay.events) this.#deliver(event)
  }

  #deliver({ id, event }: Numbered<Data>): void {
    this.#stream.send(event, id)
    this.#last = parsePosition(id)
    if (this.#source.isLast(event)) this.#stream.close('finished')
  }
}
